// Root filesystems from Debian packages: built once by mmdebstrap, kept as an archive in the user's cache, unpacked per checkout.
// Plain JavaScript: the bootstrap runs it under whatever Node the machine has, beside `npm ci`.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { tryLock, withLock } from './lock.mjs'
import { BROWSER_PACKAGES, SERVER_PACKAGES, SERVER_UID, SUITE } from './packages.mjs'

/** Raise it when the way of building changes, not only the list. */
const RECIPE = 1
const KEY_FILE = 'etc/voipbin-rootfs'

/**
 * @typedef {'rootfs' | 'browser'} Kind
 * @typedef {object} Provisioned
 * @property {string} dir              the unpacked tree
 * @property {Promise<void>} archived  resolves when the archive is in the cache; a build may be used before
 */

/** @param {Kind} kind */
const packagesOf = kind => (kind === 'rootfs' ? SERVER_PACKAGES : BROWSER_PACKAGES)

/** Changes with everything that changes the content. @param {Kind} kind */
export function archiveKey(kind) {
  const content = [RECIPE, SUITE, process.arch, SERVER_UID, ...packagesOf(kind)].join('\n')
  return createHash('sha256').update(content).digest('hex').slice(0, 16)
}

/** @param {NodeJS.ProcessEnv} [env] */
export const cacheDir = (env = process.env) => path.join(env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'voipbin')

/** @param {Kind} kind */
const archivePath = kind => path.join(cacheDir(), `${kind}-${archiveKey(kind)}.tar.zst`)

/** Where the tree of this checkout is. @param {string} home @param {Kind} kind */
export const treePath = (home, kind) => path.join(home, `${kind}-${archiveKey(kind)}`)

/** @param {Kind} kind */
export const isArchived = kind => existsSync(archivePath(kind))

/** @param {string} home @param {Kind} kind */
export const isProvisioned = (home, kind) => existsSync(path.join(treePath(home, kind), KEY_FILE))

/**
 * Makes the tree exist: already there, unpacked from the cache, or built.
 * @param {string} home  the `.voipbin` folder
 * @param {Kind} kind
 * @param {import('./progress.mjs').Progress} progress
 * @returns {Promise<Provisioned>}
 */
export async function provision(home, kind, progress) {
  const dir = treePath(home, kind)
  if (isProvisioned(home, kind)) return { dir, archived: archiveAgain(dir, archivePath(kind)) }
  const step = progress.step(kind === 'rootfs' ? 'servers' : 'browser')
  try {
    await hostTools(step.note)
    return await fromArchive(home, kind, step)
  } catch (error) {
    step.fail()
    throw error
  }
}

/** The archive of a tree that is there: its writing was interrupted, or somebody emptied the cache. @param {string} dir @param {string} archive */
function archiveAgain(dir, archive) {
  return withLock(
    `${archive}.lock`,
    () => undefined,
    async () => {
      if (!existsSync(archive)) await writeArchive(dir, archive)
    },
  )
}

/**
 * Holds the lock of the archive until it is written, so that two checkouts started at once build only one; answers as soon as the tree is there.
 * @param {string} home @param {Kind} kind @param {import('./progress.mjs').Step} step
 * @returns {Promise<Provisioned>}
 */
function fromArchive(home, kind, step) {
  const dir = treePath(home, kind)
  const archive = archivePath(kind)
  const waiting = (/** @type {string} */ holder) => step.note(`another start (process ${holder}) is building the same; waiting`)
  return new Promise((resolve, reject) => {
    withLock(`${archive}.lock`, waiting, async () => {
      if (existsSync(archive) && (await unpack(archive, dir, step.note))) {
        step.done(`unpacked from the cache, ${megabytes(archive)}`)
        return resolve({ dir, archived: Promise.resolve() })
      }
      await build(home, kind, dir, step.note)
      step.done(`built from ${SUITE}, ${packagesOf(kind).length} packages and what they need`)
      const archived = writeArchive(dir, archive)
      resolve({ dir, archived })
      return archived
    }).catch(reject)
  })
}

/** @param {string} file */
const megabytes = file => `${Math.round(statSync(file).size / 1e6)} MB`

/**
 * @param {string} archive @param {string} dir @param {(detail: string) => void} note
 * @returns {Promise<boolean>} false when the archive is damaged; it is then removed
 */
async function unpack(archive, dir, note) {
  note(`unpacking ${megabytes(archive)}`)
  const partial = temporary(dir)
  mkdirSync(partial, { recursive: true })
  const failure = await run('tar', ['-C', partial, '--numeric-owner', '-I', 'zstd -d -T0', '-xf', archive])
  if (failure || !existsSync(path.join(partial, KEY_FILE))) {
    rmSync(partial, { recursive: true, force: true })
    rmSync(archive, { force: true })
    note('the archive was damaged; building again')
    return false
  }
  replace(partial, dir)
  return true
}

/** @param {string} home @param {Kind} kind @param {string} dir @param {(detail: string) => void} note */
async function build(home, kind, dir, note) {
  const partial = temporary(dir)
  const log = path.join(home, 'log', `build-${kind}.log`)
  const aptConfig = path.join(home, `apt-${process.pid}.conf`)
  mkdirSync(path.dirname(log), { recursive: true })
  writeFileSync(aptConfig, await aptOptions(), { mode: 0o600 })
  try {
    const failure = await run('mmdebstrap', mmdebstrapArguments(kind, partial, aptConfig), { log, onLine: buildNotes(note) })
    if (failure) throw new Error(`building the ${kind} root filesystem failed: ${failure}. The whole output is in ${log}`)
    replace(partial, dir)
  } finally {
    rmSync(aptConfig, { force: true })
    rmSync(partial, { recursive: true, force: true })
  }
}

/** @param {Kind} kind @param {string} target @param {string} aptConfig */
function mmdebstrapArguments(kind, target, aptConfig) {
  const hooks = [
    // the options of this machine's apt may hold a proxy's password and have no business in an archive
    'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/hostname; : > "$1"/etc/resolv.conf',
    'printf "127.0.0.1 localhost\\n::1 localhost ip6-localhost\\n" > "$1"/etc/hosts',
    `echo "voipbin:x:${SERVER_UID}:${SERVER_UID}:VoIPBIN:/srv:/usr/sbin/nologin" >> "$1"/etc/passwd`,
    `echo "voipbin:x:${SERVER_UID}:" >> "$1"/etc/group`,
    `echo ${archiveKey(kind)} > "$1"/${KEY_FILE}`,
  ]
  return [
    '--mode=root',
    '--variant=apt',
    '--verbose',
    `--aptopt=${aptConfig}`,
    ...['man', 'doc', 'locale', 'info', 'lintian'].map(folder => `--dpkgopt=path-exclude=/usr/share/${folder}/*`),
    '--dpkgopt=force-unsafe-io',
    ...hooks.map(hook => `--customize-hook=${hook}`),
    `--include=${packagesOf(kind).join(',')}`,
    SUITE,
    target,
    `deb ${debianMirror()} ${SUITE} main`,
  ]
}

/** Turns mmdebstrap's output into a few words. @param {(detail: string) => void} note */
function buildNotes(note) {
  const count = { Get: 0, Unpacking: 0, 'Setting up': 0 }
  const words = { Get: 'downloading', Unpacking: 'unpacking', 'Setting up': 'setting up' }
  return (/** @type {string} */ line) => {
    const found = /^(Get|Unpacking|Setting up)\b[:\s]*(?:\d+ https?:\S+ \S+ \S+ )?(\S+)/.exec(line)
    if (!found) return
    const kind = /** @type {keyof typeof count} */ (found[1])
    count[kind] += 1
    note(`${words[kind]} ${found[2]} (${count[kind]})`)
  }
}

/**
 * What mmdebstrap's apt must know of this machine: it reads its own configuration only, so proxies and credentials are handed over.
 * A testing suite's release file expires after two weeks on a mirror that is frozen; its signature is checked all the same.
 */
async function aptOptions() {
  /** @type {string[]} */
  const lines = []
  await run('apt-config', ['dump'], { onLine: line => lines.push(line) })
  const taken = lines.filter(
    l => /^Acquire::/.test(l) && !/^Acquire::(cdrom|IndexTargets|Languages|Changelogs)/.test(l) && !/ "";$/.test(l),
  )
  return [
    ...taken,
    'Acquire::Check-Valid-Until "false";',
    'Acquire::Languages "none";',
    'Acquire::Retries "5";',
    'APT::Install-Recommends "false";',
    'Dir::Etc::netrc "/etc/apt/auth.conf";',
    'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
    '',
  ].join('\n')
}

/**
 * The Debian mirror this machine already uses, from deb822 and one-line sources.
 * @param {string} [etc]  apt's folder
 */
export function debianMirror(etc = '/etc/apt') {
  const parts = path.join(etc, 'sources.list.d')
  const files = existsSync(parts) ? readdirSync(parts).map(name => path.join(parts, name)) : []
  for (const file of [...files.sort(), path.join(etc, 'sources.list')]) {
    if (!existsSync(file)) continue
    const text = readFileSync(file, 'utf8')
    const entries = file.endsWith('.sources') ? deb822(text) : file.endsWith('.list') ? oneLine(text) : []
    const found = entries.find(e => e.components.includes('main') && e.suites.some(isDebianSuite))
    if (found) return found.uri
  }
  throw new Error(`no Debian mirror in ${etc}/sources.list or ${parts}: add one (deb <mirror> bookworm main), then start again`)
}

/** @param {string} suite */
const isDebianSuite = suite => /^(bullseye|bookworm|trixie|forky|duke|sid|oldstable|stable|testing|unstable)$/.test(suite)

/** @typedef {{ uri: string, suites: string[], components: string[] }} Source */

/** @param {string} text @returns {Source[]} */
function deb822(text) {
  return text.split(/\n\s*\n/).flatMap(stanza => {
    /** @type {Record<string, string>} */
    const field = {}
    let last = ''
    for (const line of stanza.split('\n')) {
      if (line.startsWith('#')) continue
      const start = /^([\w-]+):\s*(.*)$/.exec(line)
      if (start) {
        last = (start[1] ?? '').toLowerCase()
        field[last] = start[2] ?? ''
      } else if (last && /^\s/.test(line)) field[last] += ` ${line.trim()}`
    }
    const words = (/** @type {string} */ name) => (field[name] ?? '').split(/\s+/).filter(Boolean)
    if (!words('types').includes('deb') || field.enabled === 'no') return []
    return words('uris').map(uri => ({ uri, suites: words('suites'), components: words('components') }))
  })
}

/** @param {string} text @returns {Source[]} */
function oneLine(text) {
  return text.split('\n').flatMap(line => {
    const found = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line)
    return found ? [{ uri: found[1] ?? '', suites: [found[2] ?? ''], components: (found[3] ?? '').trim().split(/\s+/) }] : []
  })
}

/** @param {string} dir @param {string} archive */
async function writeArchive(dir, archive) {
  const partial = temporary(archive)
  const failure = await run('tar', ['-C', dir, '--numeric-owner', '--one-file-system', '-I', 'zstd -3 -T0 -q', '-cf', partial, '.'])
  if (failure) {
    rmSync(partial, { force: true })
    throw new Error(`could not keep the archive ${archive}: ${failure}`)
  }
  renameSync(partial, archive)
}

/** Installs what building and unpacking need, and only when it is missing. @param {(detail: string) => void} note */
async function hostTools(note) {
  const wanted = { mmdebstrap: 'mmdebstrap', zstd: 'zstd', mount: 'mount', unshare: 'util-linux', tar: 'tar' }
  const missing = Object.entries(wanted).filter(([command]) => !onPath(command))
  if (missing.length === 0) return
  const packages = missing.map(([, name]) => name)
  note(`apt-get install ${packages.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['install', '-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', ...packages]
  await run('apt-get', ['update', '-qq'], { env })
  const failure = await run('apt-get', install, { env })
  if (failure) throw new Error(`apt-get could not install ${packages.join(', ')}: ${failure}`)
}

/** @param {string} command */
export const onPath = command => (process.env.PATH ?? '').split(':').some(folder => folder && existsSync(path.join(folder, command)))

/** @param {string} target */
const temporary = target => `${target}.partial-${process.pid}`

/** @param {string} from @param {string} to */
function replace(from, to) {
  rmSync(to, { recursive: true, force: true })
  renameSync(from, to)
}

/** Removes what an interrupted build left behind, and trees of older package lists. @param {string} home */
export async function sweep(home) {
  // a platform that runs still uses the tree it was started from
  const locks = await Promise.all(['run/platform.lock', 'test.lock', 'bench.lock'].map(name => tryLock(path.join(home, name))))
  const idle = locks.every(Boolean)
  for (const release of locks) await release?.()
  const keep = new Set([path.basename(treePath(home, 'rootfs')), path.basename(treePath(home, 'browser'))])
  for (const name of idle && existsSync(home) ? readdirSync(home) : []) {
    if (/^(rootfs|browser)-/.test(name) && !keep.has(name)) rmSync(path.join(home, name), { recursive: true, force: true })
  }
  for (const name of existsSync(cacheDir()) ? readdirSync(cacheDir()) : []) {
    const file = path.join(cacheDir(), name)
    // another checkout may be writing one right now
    if (/\.partial-\d+$/.test(name) && Date.now() - statSync(file).mtimeMs > 3_600_000) rmSync(file, { force: true })
  }
}

/**
 * Runs a command to its end.
 * @param {string} command @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, log?: string, onLine?: (line: string) => void }} [options]
 * @returns {Promise<string | undefined>} nothing when it succeeded, else what it said last
 */
export function run(command, args, options = {}) {
  const child = spawn(command, args, { env: options.env ?? process.env, cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const log = options.log ? createWriteStream(options.log) : undefined
  /** @type {string[]} */
  const tail = []
  for (const stream of [child.stdout, child.stderr]) {
    readline.createInterface({ input: stream }).on('line', line => {
      log?.write(`${line}\n`)
      options.onLine?.(line)
      if (line.trim()) tail.push(line)
      if (tail.length > 6) tail.shift()
    })
  }
  return new Promise(resolve => {
    child.once('error', error => resolve(`${command}: ${error.message}`))
    child.once('close', (code, signal) => {
      log?.end()
      resolve(code === 0 ? undefined : `${command} ended with ${signal ?? `code ${code}`}\n    ${tail.join('\n    ')}`)
    })
  })
}

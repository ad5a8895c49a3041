// First thing `npm start`, `npm test` and the others run. Needs Node 20 and nothing else: it installs the npm packages (Node 24 comes
// with them) and the servers, both at once, then hands over to src/main.ts under Node 24.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { withLock } from './lock.mjs'
import { createProgress } from './progress.mjs'
import { isArchived, isProvisioned, onPath, provision, run, sweep } from './provision.mjs'

const root = path.resolve(import.meta.dirname, '../..')
const home = path.join(root, '.voipbin')
const lightPackages = pathToFileURL(path.join(root, 'server/kernel/light-packages.mjs')).href
const stamp = path.join(root, 'node_modules/.voipbin-lock')

/** @typedef {{ root: boolean, packages: boolean, runtimes?: boolean, kinds: import('./provision.mjs').Kind[] }} Needs */
/** What each command needs before it can run; what looks at the platform's state needs root as well. @type {Record<string, Needs>} */
const NEEDS = {
  start: { root: true, packages: true, kinds: ['rootfs'] },
  stop: { root: true, packages: false, kinds: [] },
  status: { root: true, packages: false, kinds: [] },
  logs: { root: true, packages: false, kinds: [] },
  doctor: { root: true, packages: true, kinds: [] },
  migrate: { root: true, packages: true, kinds: [] },
  generate: { root: false, packages: true, kinds: [] },
  check: { root: false, packages: true, kinds: [] },
  test: { root: true, packages: true, runtimes: true, kinds: ['rootfs', 'browser'] },
  bench: { root: true, packages: true, kinds: ['rootfs', 'browser'] },
}
/** Flags that npm keeps for itself, and silently drops, when `--` is missing before them. */
const FLAGS = ['detach', 'port-base', 'http-port', 'public-ip', 'domain', 'processes', 'instances', 'home', 'follow']

/** Thrown for what a person can mend; printed without a stack. */
class Problem extends Error {}

/** @param {string} command @param {Needs} needs */
function checkMachine(command, needs) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 11))
    throw new Problem(`Node ${process.versions.node} is too old: install Node 20.11 or newer, then run this again.`)
  if (process.platform !== 'linux')
    throw new Problem(`This runs on Linux; here is ${process.platform}. Use a Debian 12 (or newer) machine, VM or container.`)
  if (process.arch !== 'x64' && process.arch !== 'arm64') throw new Problem(`No packages for ${process.arch}: x64 and arm64 are supported.`)
  const dropped = FLAGS.find(flag => process.env[`npm_config_${flag.replace('-', '_')}`] !== undefined)
  if (dropped) throw new Problem(`npm kept --${dropped} for itself. Put -- before the flags: npm ${npmWords(command)} -- --${dropped} …`)
  if (needs.root && process.getuid?.() !== 0)
    throw new Problem(
      `Run this as root (sudo npm ${npmWords(command)}): the servers run in a root filesystem of their own, which needs mount and chroot, and what belongs to them is root's.`,
    )
  if (needs.kinds.length > 0 && !onPath('apt-get'))
    throw new Problem('apt-get is missing: this needs a Debian-like system (Debian 12 or newer).')
}

/** @param {string} command */
const npmWords = command => (['start', 'stop', 'test'].includes(command) ? command : `run ${command}`)

/** Apart from the other packages, because only tests need them and they are large. */
const runtimes = path.join(root, 'sdk/runtimes')

const lockText = (folder = root) => readFileSync(path.join(folder, 'package-lock.json'), 'utf8')
const lockHash = (folder = root) =>
  createHash('sha256').update(lockText(folder)).update(`${process.platform}-${process.arch}`).digest('hex')
const runtimesStamp = path.join(runtimes, 'node_modules/.voipbin-lock')
const runtimesCurrent = () => existsSync(runtimesStamp) && readFileSync(runtimesStamp, 'utf8') === lockHash(runtimes)

function packagesCurrent() {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash()) return true
  // installed by hand: npm's own record of what is there must agree with the lock
  const installedFile = path.join(root, 'node_modules/.package-lock.json')
  if (!existsSync(installedFile)) return false
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  const wanted = Object.entries(JSON.parse(lockText()).packages).filter(
    ([name, p]) => name && !p.optional && !p.link && name.includes('node_modules/'),
  )
  if (!wanted.every(([name, p]) => installed[name]?.version === p.version)) return false
  writeFileSync(stamp, lockHash())
  return true
}

/** @param {import('./progress.mjs').Progress} progress */
async function installPackages(progress) {
  const step = progress.step('npm packages')
  const modules = path.join(root, 'node_modules')
  const total = new Set(Object.keys(JSON.parse(lockText()).packages).map(n => /^node_modules\/([^/]+)/.exec(n)?.[1])).size
  const counting = setInterval(
    () => step.note(`npm ci, ${existsSync(modules) ? readdirSync(modules).length : 0} of ${total} folders`),
    1000,
  )
  const log = path.join(home, 'log/npm-ci.log')
  // one of the packages reports every installation to its makers unless it is told not to
  const env = { ...process.env, npm_config_progress: 'false', SCARF_ANALYTICS: 'false', DO_NOT_TRACK: '1' }
  const failure = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, env, log })
  clearInterval(counting)
  if (failure) {
    step.fail()
    throw new Problem(
      `The npm packages could not be installed: ${failure}\n  The whole output is in ${log}. Check that the registry of \`npm config get registry\` is reachable, then start again.`,
    )
  }
  writeFileSync(stamp, lockHash())
  step.done()
}

/** The runtimes that the packed SDK is tested on. @param {import('./progress.mjs').Progress} progress */
async function installRuntimes(progress) {
  const step = progress.step('runtimes for the tests of the SDK')
  const log = path.join(home, 'log/npm-ci-runtimes.log')
  const failure = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: runtimes, env: process.env, log })
  if (failure) {
    step.fail()
    throw new Problem(`Node 22, Deno, Bun and workerd could not be installed: ${failure}\n  The whole output is in ${log}.`)
  }
  writeFileSync(runtimesStamp, lockHash(runtimes))
  step.done()
}

/**
 * @param {Needs} needs
 * @returns {Promise<{ archived: Promise<unknown> }>} `archived` settles when new archives are in the cache; the platform may start meanwhile
 */
async function install(needs) {
  const installed = () =>
    (!needs.packages || packagesCurrent()) && (!needs.runtimes || runtimesCurrent()) && needs.kinds.every(kind => isProvisioned(home, kind))
  const current = () => installed() && needs.kinds.every(isArchived)
  if (current()) return { archived: Promise.resolve() }
  const progress = createProgress(process.stderr)
  mkdirSync(path.join(home, 'log'), { recursive: true })
  const waiting = (/** @type {string} */ holder) => progress.line(`  … process ${holder} is installing in this folder; waiting for it`)
  /** @type {Promise<unknown>[]} */
  const archives = []
  await withLock(path.join(home, 'install.lock'), waiting, async () => {
    if (current()) return
    await sweep(home)
    if (!installed()) progress.line('Installing (once per machine; later starts take seconds)')
    const jobs = needs.packages && !packagesCurrent() ? [installPackages(progress)] : []
    if (needs.runtimes && !runtimesCurrent()) jobs.push(installRuntimes(progress))
    const trees = (async () => {
      for (const kind of needs.kinds) archives.push((await provision(home, kind, progress)).archived)
    })()
    // one that fails says so at once; the other goes on, so that the next start finds its part done
    const done = await Promise.all(
      [...jobs, trees].map(job =>
        job.then(
          () => true,
          error => {
            progress.line(`\n✗ ${error.message}\n`)
            return false
          },
        ),
      ),
    )
    if (done.includes(false))
      throw new Problem('The installation is not complete: mend what is said above, then start again. What is done is kept.')
  })
  progress.close()
  return {
    archived: Promise.all(archives).catch(error => process.stderr.write(`  ! ${error.message}; the next checkout will build again\n`)),
  }
}

function node24() {
  const file = path.join(root, `node_modules/node-linux-${process.arch}/bin/node`)
  if (existsSync(file)) return file
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  throw new Problem(`Node 24 is missing (${path.relative(root, file)}): remove node_modules and run this again.`)
}

/** @param {string} command @param {string[]} args @returns {Promise<number>} */
function handOver(command, args) {
  const child = spawn(
    node24(),
    ['--disable-warning=ExperimentalWarning', '--import', lightPackages, path.join(import.meta.dirname, 'src/main.ts'), command, ...args],
    {
      stdio: 'inherit',
      env: { ...process.env, npm_command: '' },
    },
  )
  // a terminal sends Ctrl-C to both; the child decides when to end
  process.on('SIGINT', () => undefined)
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)))
  })
}

async function main() {
  const [command = 'start', ...args] = process.argv.slice(2)
  const needs = NEEDS[command]
  if (!needs) throw new Problem(`Unknown command "${command}". There are: ${Object.keys(NEEDS).join(', ')}.`)
  checkMachine(command, needs)
  if (!needs.packages && !existsSync(path.join(root, 'node_modules/.bin'))) {
    process.stdout.write('Nothing is installed here yet, so nothing runs. `npm start` does both.\n')
    return 0
  }
  const { archived } = await install(needs)
  const code = await handOver(command, args)
  await archived
  return code
}

main().then(
  code => process.exit(code),
  error => {
    process.stderr.write(`\n✗ ${error instanceof Problem || error.message ? error.message : error}\n`)
    process.exit(1)
  },
)

// Run after `npm install`: node server/platform/complete-lock.mjs [folder]
// npm leaves optional packages of other platforms out of the lock when the registry at hand does not carry them, and `npm ci` then refuses
// the lock. This names them in it, with the platform they are for, so that `npm ci` knows that it can leave them out.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32', 'aix']
const PROCESSORS = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el', 'wasm32']

/** @param {string} name */
function platformOf(name) {
  const words = name.split(/[/-]/).map(word => (word.startsWith('arm-') ? 'arm' : word))
  const os = SYSTEMS.filter(system => words.includes(system))
  const cpu = PROCESSORS.filter(processor => words.includes(processor))
  return { ...(cpu.length > 0 && { cpu }), ...(os.length > 0 && { os }) }
}

const file = path.resolve(import.meta.dirname, '../..', process.argv[2] ?? '.', 'package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
/** @type {Record<string, object>} */
const added = {}
for (const [owner, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const nested = path.posix.join(owner, 'node_modules', name)
    const top = `node_modules/${name}`
    if (lock.packages[nested] || lock.packages[top] || !/^\d+\.\d+\.\d+/.test(version)) continue
    const platform = platformOf(name)
    if (Object.keys(platform).length > 0) added[added[top] ? nested : top] = { version, ...platform, optional: true }
  }
}
const [root, ...rest] = Object.entries({ ...lock.packages, ...added }).sort(([a], [b]) => (a < b ? -1 : 1))
lock.packages = Object.fromEntries(root ? [root, ...rest] : rest)
if (Object.keys(added).length > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
process.stdout.write(`${Object.keys(added).length} optional packages added to ${path.relative(process.cwd(), file)}\n`)

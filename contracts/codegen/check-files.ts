import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { sourceFiles } from './boundaries.ts'
import type { Output } from './text.ts'
import { staleFiles } from './write.ts'

const longest = 400

/** Files that grew past what one can read. Tests and generated files are lists by nature. */
export function longFiles(root: string): string[] {
  return sourceFiles(root)
    .filter(file => !file.startsWith('generated/') && !/\.test\.tsx?$|\/tests?\//.test(file))
    .flatMap(file => {
      const lines = readFileSync(path.join(root, file), 'utf8').split('\n').length - 1
      return lines > longest ? [`${file}: ${lines} lines; split it by subject at ${longest}`] : []
    })
}

/** Tables carry the name of the service that owns them. */
export function foreignTables(root: string): string[] {
  const services = path.join(root, 'services')
  if (!existsSync(services)) return []
  return sourceFiles(root).flatMap(file => {
    const service = /^services\/([^/]+)\/.+\.ts$/.exec(file)?.[1]
    if (!service || /\.test\.ts$/.test(file)) return []
    const tables = [...readFileSync(path.join(root, file), 'utf8').matchAll(/\bmysql(?:Table|View)\(\s*['"`]([^'"`]+)['"`]/g)]
    return tables
      .map(match => match[1] ?? '')
      .filter(table => !table.startsWith(`${service}_`) && !isEdgeView(service, table))
      .map(table => `${file}: table ${table} does not begin with ${service}_`)
  })
}

/** Views that Kamailio reads have the names it asks for. */
const isEdgeView = (service: string, table: string): boolean => (service === 'registrar' || service === 'route') && table.startsWith('kam_')

/** Services without a contract of their name, and contracts without a service. */
export function lonelyServices(root: string, contracts: readonly string[]): string[] {
  const folder = path.join(root, 'services')
  if (!existsSync(folder)) return []
  const names = readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && existsSync(path.join(folder, entry.name, 'service.ts')))
    .map(entry => entry.name)
  return names.filter(name => !contracts.includes(name)).map(name => `services/${name}: contracts/ has no document for it`)
}

/** The files of a folder as the generator would give them. */
export const readOutputs = (folder: string): Output[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.join(entry.parentPath, entry.name))
    .map(file => ({ path: path.relative(folder, file), text: readFileSync(file, 'utf8') }))

/** What regenerating would change. */
export function drift(files: Output[], target: string): string[] {
  const changed = files.flatMap(({ path: name, text }) => {
    const file = path.join(target, name)
    if (!existsSync(file)) return [`generated/${name} is missing`]
    return readFileSync(file, 'utf8') === text ? [] : [`generated/${name} differs from what the contract gives`]
  })
  const stale = staleFiles(files, target).map(name => `generated/${name} is left over`)
  const all = [...changed, ...stale]
  return all.length > 0 ? [...all, 'run npm run generate'] : []
}

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Output } from './text.ts'

const handWritten = new Set(['package.json', 'tsconfig.json', 'node_modules'])

/** Writes what changed and deletes what no longer belongs. Returns the paths touched. */
export function write(files: Output[], target: string): string[] {
  const touched: string[] = []
  for (const { path: name, text } of files) {
    const file = path.join(target, name)
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
    touched.push(name)
  }
  for (const stale of staleFiles(files, target)) {
    rmSync(path.join(target, stale))
    touched.push(stale)
  }
  return touched
}

/** Files under `target` that the contract does not ask for. */
export function staleFiles(files: Output[], target: string): string[] {
  if (!existsSync(target)) return []
  const wanted = new Set(files.map(file => file.path))
  return readdirSync(target, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.relative(target, path.join(entry.parentPath, entry.name)))
    .filter(name => !wanted.has(name) && !handWritten.has(name.split(path.sep)[0] ?? ''))
    .sort()
}

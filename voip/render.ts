import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export type Values = Readonly<Record<string, string | number>>

/** Fills `{{NAME}}` placeholders. Throws when a name has no value, so that no server starts with a hole in its configuration. */
export function render(text: string, values: Values, where = 'template'): string {
  return text.replace(/\{\{([A-Z0-9_]+)\}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${where}: no value for {{${name}}}`)
    return String(value)
  })
}

export function renderFile(from: string, to: string, values: Values): void {
  mkdirSync(dirname(to), { recursive: true })
  writeFileSync(to, render(readFileSync(from, 'utf8'), values, from))
}

/** Renders a folder with its sub-folders. `skip` names files that are rendered elsewhere (one per edge, or SQL). */
export function renderFolder(from: string, to: string, values: Values, skip: readonly string[] = []): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (skip.includes(entry.name)) continue
    if (entry.isDirectory()) renderFolder(join(from, entry.name), join(to, entry.name), values, skip)
    else renderFile(join(from, entry.name), join(to, entry.name), values)
  }
}

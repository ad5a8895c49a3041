import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { draw } from './drawing.ts'
import { errorsPage } from './errors-page.ts'
import { readWiring } from './wiring.ts'

/** What `docs/` has that nobody writes by hand: path below `docs/` and text. */
export const pages = (): { path: string; text: string }[] => [
  { path: 'architecture/calls.svg', text: draw(readWiring()) },
  { path: 'errors.md', text: errorsPage() },
]

if (import.meta.main) {
  for (const { path, text } of pages()) {
    const file = join(import.meta.dirname, path)
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    console.log(`docs/${path} changed`)
  }
}

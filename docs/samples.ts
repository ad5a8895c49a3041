import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname

export interface Sample {
  page: string
  /** Line of the page where it begins. */
  line: number
  language: string
  /** What stands behind the language: `schema=Action`, `run=webhook`, `excerpt`. */
  marks: Record<string, string>
  text: string
}

/** Every page of `docs/`, as a path below it. */
export const pageNames = (): string[] =>
  readdirSync(here, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.md') && !/node_modules|dist/.test(entry.parentPath.slice(here.length)))
    .map(entry => join(entry.parentPath, entry.name).slice(here.length + 1))
    .sort()

export const readPage = (page: string): string => readFileSync(join(here, page), 'utf8')

/** The fenced blocks of all pages. */
export function samples(): Sample[] {
  return pageNames().flatMap(page => {
    const text = readPage(page)
    return [...text.matchAll(/^```(\w+)?([^\n]*)\n([\s\S]*?)^```$/gm)].map(match => {
      const marks = (match[2] ?? '')
        .trim()
        .split(/\s+/)
        .filter(Boolean)
        .map(mark => mark.split('='))
      const line = text.slice(0, match.index).split('\n').length
      return {
        page,
        line,
        language: match[1] ?? '',
        marks: Object.fromEntries(marks.map(([name, value = '']) => [name, value])),
        text: match[3] ?? '',
      }
    })
  })
}

/** Writes samples as modules under `docs/dist`, which nobody else reads; gives their folder and file names. */
export const writeModules = (modules: readonly Sample[]): { folder: string; files: string[] } =>
  writeFiles('samples', new Map(modules.map(sample => [moduleName(sample), sample.text])))

/** Writes programs into a folder of that name under `docs/dist`, ready for the compiler. */
export function writeFiles(name: string, texts: ReadonlyMap<string, string>): { folder: string; files: string[] } {
  const folder = join(here, 'dist', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [file, text] of texts) writeFileSync(join(folder, file), text)
  const files = [...texts.keys()]
  const compilerOptions = { lib: ['es2024', 'esnext.iterator', 'esnext.disposable', 'dom', 'dom.iterable'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../../tsconfig.json', compilerOptions, files }))
  return { folder, files }
}

/** Says where it comes from, so that the compiler's complaint does. */
export const moduleName = ({ page, line }: Sample): string => `${page.replace(/\W+/g, '-').replace(/-md$/, '')}-line-${line}.ts`

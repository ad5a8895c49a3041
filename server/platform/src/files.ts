import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Writes a file so that a reader never sees half of it and a crash never leaves half of it. */
export function writeAtomically(file: string, text: string, mode = 0o644): void {
  mkdirSync(path.dirname(file), { recursive: true })
  const partial = `${file}.${process.pid}.partial`
  writeFileSync(partial, text, { mode })
  renameSync(partial, file)
}

/** Content of a file, or undefined when there is none. */
export function readIfExists(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** The last lines of a log, or the last of those wanted. */
export function tail(file: string, lines: number, isWanted: (line: string) => boolean = () => true): string[] {
  const text = readIfExists(file) ?? ''
  return text
    .split('\n')
    .filter(line => line.trim() && isWanted(line))
    .slice(-lines)
}

/** Makes a folder that nobody else looks into, also when it was there. */
export function privateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
}

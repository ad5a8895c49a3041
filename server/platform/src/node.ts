// How our own programs are run.
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { ROOT } from './paths.ts'

/** Node and its options, before the script. */
export const NODE: readonly string[] = [
  process.execPath,
  '--import',
  pathToFileURL(path.join(ROOT, 'server/kernel/light-packages.mjs')).href,
]

/** Node keeps what it made of the sources: half of the time a process needs to start. */
export const COMPILE_CACHE = path.join(ROOT, '.voipbin/compile-cache')

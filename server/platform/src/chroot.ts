import { spawn } from 'node:child_process'
import path from 'node:path'
import { SERVER_UID } from '../packages.mjs'
import type { Paths } from './paths.ts'

const WRAPPER = path.resolve(import.meta.dirname, '../in-root')

export const UNPRIVILEGED = `${SERVER_UID}:${SERVER_UID}`
export const PRIVILEGED = '0:0'

/** Command line that runs `command` inside the root filesystem, with the state folder as /srv. */
export function inRoot(paths: Paths, user: string, command: readonly string[], env: Readonly<Record<string, string>> = {}): string[] {
  return [WRAPPER, paths.rootfs, paths.home, user, ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...command]
}

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs a command to its end, or until the signal. Never rejects for what the command says; rejects when it cannot be started. */
export function run(command: readonly string[], input = '', signal?: AbortSignal): Promise<Finished> {
  const [file = '', ...args] = command
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], ...(signal && { signal }) })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', data => out.push(data))
  child.stderr.on('data', data => err.push(data))
  // a command that ends early closes its stdin; its exit code says why
  child.stdin.on('error', () => child.stdin.destroy())
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }))
  })
}

/** As {@link run}, and throws with the command's own words when it fails. Gives its stdout. */
export async function runOrThrow(what: string, command: readonly string[], input = ''): Promise<string> {
  const done = await run(command, input)
  if (done.code !== 0) throw new Error(`${what} failed (code ${done.code}): ${(done.stderr || done.stdout).trim().slice(-800)}`)
  return done.stdout
}

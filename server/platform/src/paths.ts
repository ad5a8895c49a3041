import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { treePath } from '../provision.mjs'
import { UsageError } from './flags.ts'

/** The checkout. */
export const ROOT = path.resolve(import.meta.dirname, '../../..')

/** Where the state folder's parts are, seen from outside and, under `/srv`, from inside the root filesystem. */
export interface Paths {
  home: string
  rootfs: string
  browser: string
  stateFile: string
  secretsFile: string
  logs: string
  run: string
  controlSocket: string
  certs: string
  /** Stored files: recordings, each encrypted with a key of its own. */
  storage: string
  /** What the n-th Asterisk has fetched to play; its path under `/srv` must be short (`voip/asterisk/asterisk.conf`). */
  sounds(n: number): string
  /** Folder of one server: its `etc`, `run` and data. */
  server(name: string): string
}

/** The state folder as the servers see it. */
export const INSIDE = '/srv'

export function pathsOf(home: string): Paths {
  const absolute = path.resolve(ROOT, home)
  const shared = path.join(ROOT, '.voipbin')
  return {
    home: absolute,
    // one tree per checkout, read-only at run time: the tests' platform uses the same
    rootfs: treePath(shared, 'rootfs'),
    browser: treePath(shared, 'browser'),
    stateFile: path.join(absolute, 'state.json'),
    secretsFile: path.join(absolute, 'secrets.json'),
    logs: path.join(absolute, 'log'),
    run: path.join(absolute, 'run'),
    controlSocket: path.join(absolute, 'run/control.sock'),
    certs: path.join(absolute, 'certs'),
    storage: path.join(absolute, 'storage'),
    sounds: n => path.join(absolute, `s${n + 1}`),
    server: name => path.join(absolute, 'servers', name),
  }
}

/**
 * Refuses a state folder that holds anything else: its rights are changed, and files of ours put into it. Throws {@link UsageError}.
 */
export function checkHome(home: string): void {
  const { home: folder, run } = pathsOf(home)
  const isOurs =
    folder === path.join(ROOT, '.voipbin') || folder.startsWith(path.join(ROOT, '.voipbin/')) || existsSync(path.join(run, 'platform.lock'))
  if (isOurs || !existsSync(folder) || readdirSync(folder).length === 0) return
  throw new UsageError(`--home ${home}: ${folder} holds other things; name a new or an empty folder`)
}

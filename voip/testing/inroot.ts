import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, existsSync } from 'node:fs'

/** Where the servers come from: the wrapper that runs a command inside the rootfs, with `$INST` seen as /srv. */
export function inrootPath(): string {
  const path = process.env.VOIPBIN_INROOT
  if (path === undefined || !existsSync(path)) throw new Error('VOIPBIN_INROOT must name the wrapper that runs a command inside the rootfs')
  return path
}

export interface RunOptions {
  /** Folder of this machine that the command sees as /srv. */
  inst: string
  /** File that takes stdout and stderr. */
  log?: string
  /** Leads a process group of its own, so that `crash` reaches its children too. */
  group?: boolean
}

/** Starts a command inside the rootfs. The process id is that of the command itself, so `kill` reaches it. */
export function inroot(command: readonly string[], options: RunOptions): ChildProcess {
  const child = spawn(inrootPath(), [...command], {
    env: { ...process.env, INST: options.inst },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: options.group === true,
  })
  if (options.log !== undefined) {
    const file = createWriteStream(options.log, { flags: 'a' })
    child.stdout.pipe(file, { end: false })
    child.stderr.pipe(file, { end: false })
  }
  return child
}

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs a command inside the rootfs to its end; `input` goes to its stdin. */
export function run(command: readonly string[], options: RunOptions & { input?: string }): Promise<Finished> {
  const child = inroot(command, { inst: options.inst })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (data: Buffer) => {
    stdout += data
  })
  child.stderr?.on('data', (data: Buffer) => {
    stderr += data
  })
  // an empty write too would fail when the command is already through
  if (options.input === undefined) child.stdin?.end()
  else child.stdin?.end(options.input)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve({ code, stdout, stderr }))
  })
}

/** kill -9 of a server started with `group` and of its children: those of Kamailio outlive their parent and keep its ports. */
export async function crash(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise<void>(resolve => child.once('exit', () => resolve()))
  process.kill(-child.pid, 'SIGKILL')
  await closed
}

/** Ends a process that was started here and waits for it; SIGKILL after five seconds. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await closed
  clearTimeout(timer)
}

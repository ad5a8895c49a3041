// A running platform: servers, our own processes, state file, control socket. Used by `start` and by `test`.
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Progress } from '../progress.mjs'
import { run, UNPRIVILEGED } from './chroot.ts'
import { configure, type Setup, serverUser } from './configure.ts'
import { type ControlRequest, serveControl } from './control.ts'
import { linkEdgeViews } from './database.ts'
import { PlatformError } from './errors.ts'
import type { Flags } from './flags.ts'
import { endLeftovers } from './leftovers.ts'
import { pathsOf, ROOT } from './paths.ts'
import { portsOf, takenPorts, takenPortsMessage } from './ports.ts'
import { identify } from './proc.ts'
import { connections, ownProcesses, serverProcesses } from './processes.ts'
import { loadSecrets } from './secrets.ts'
import { type CallEvidence, evidenceLines, selfTest } from './selftest.ts'
import { newState, type State, writeState } from './state.ts'
import { Supervisor } from './supervise.ts'

export interface PlatformOptions {
  flags: Flags
  progress: Progress
  /** Lines while it runs: restarts. */
  say: (text: string) => void
  /** Somebody asked to stop over the control socket. */
  onStop: () => void
  /** Gives the start up: what runs already is stopped and it rejects. */
  signal?: AbortSignal
  tcpRoot?: boolean
}

export interface Platform {
  setup: Setup
  state: State
  supervisor: Supervisor
  evidence: CallEvidence[]
  stop(): Promise<void>
}

/** Brings everything up and places the self-test call. On failure everything is stopped again before it rejects. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { flags, progress } = options
  const paths = pathsOf(flags.home)
  const ports = portsOf(flags)
  const ended = await endLeftovers(paths)
  if (ended > 0) progress.line(`  ! ended ${ended} process${ended === 1 ? '' : 'es'} that an earlier start had left running`)
  const taken = takenPorts(ports)
  if (taken.length > 0) throw new PlatformError(takenPortsMessage(taken, ports))

  const user = await serverUser(paths)
  if (user !== UNPRIVILEGED) progress.line('  ! this machine does not allow another user: the servers run as root')
  const setup: Setup = { flags, paths, ports, secrets: loadSecrets(paths), user, tcpRoot: options.tcpRoot ?? false }
  const state = newState(flags, ports, identify(process.pid))
  const save = () => {
    state.processes = supervisor.running()
    writeState(paths, state)
  }
  const supervisor = new Supervisor(serverProcesses(setup), { home: paths.home, logs: paths.logs, say: options.say, changed: () => save() })
  await configure(setup)
  const setStatus = (status: State['status']) => {
    state.status = status
    save()
  }
  setStatus('starting')
  const closeControl = await serveControl(paths, request => handle(request, setup, state, supervisor, options.onStop))
  const stop = async () => {
    const failed = state.status === 'failed'
    if (!failed) setStatus('stopping')
    await supervisor.stop()
    await closeControl()
    if (failed) save()
    else {
      state.supervisor = null
      setStatus('stopped')
    }
  }
  const giveUp = () => void supervisor.stop()
  options.signal?.addEventListener('abort', giveUp, { once: true })
  try {
    await step(progress, 'servers start', note => supervisor.start(note))
    await migrate(setup, progress)
    const own = ownProcesses(setup)
    supervisor.add(own)
    if (own.length > 0) await step(progress, 'services start', note => supervisor.start(note))
    const evidence = await step(progress, 'self-test call', () => selfTest(setup))
    for (const line of evidenceLines(evidence)) progress.line(line)
    options.signal?.throwIfAborted()
    options.signal?.removeEventListener('abort', giveUp)
    setStatus('ready')
    return { setup, state, supervisor, evidence, stop }
  } catch (error) {
    setStatus('failed')
    await stop()
    throw error
  }
}

async function step<T>(progress: Progress, name: string, work: (note: (text: string) => void) => Promise<T>): Promise<T> {
  const shown = progress.step(name)
  try {
    const result = await work(shown.note)
    shown.done()
    return result
  } catch (error) {
    shown.fail()
    throw error
  }
}

const MIGRATION_SCRIPT = 'services/migrate.ts'

/** Brings the platform's tables up to date, when the checkout has any. */
export async function migrate(setup: Setup, progress: Progress): Promise<void> {
  const script = path.join(ROOT, MIGRATION_SCRIPT)
  if (!existsSync(script)) return
  await step(progress, 'migrations', async () => {
    const done = await run(['env', `MYSQL_URL=${connections(setup).MYSQL_MIGRATE_URL}`, process.execPath, script])
    if (done.code !== 0) throw new PlatformError(`The migrations failed:\n${(done.stderr || done.stdout).trim().slice(-2000)}`)
    await linkEdgeViews(setup)
  })
}

async function handle(request: ControlRequest, setup: Setup, state: State, supervisor: Supervisor, onStop: () => void): Promise<unknown> {
  switch (request.command) {
    case 'status':
      return { status: state.status, processes: supervisor.status(state.status === 'ready' ? await supervisor.probe() : undefined) }
    case 'stop':
      onStop()
      return { pid: process.pid }
    case 'selftest':
      return selfTest(setup)
    case 'hold':
      return supervisor.hold(request.name)
    case 'restart':
      return supervisor.restart(request.name)
  }
}

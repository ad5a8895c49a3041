// A running platform: servers, our own processes, state file, control socket. Used by `start` and by `test`.
import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Progress } from '../progress.mjs'
import { UNPRIVILEGED } from './chroot.ts'
import { configure, serverUser } from './configure.ts'
import { type ControlRequest, serveControl } from './control.ts'
import { PlatformError } from './errors.ts'
import type { Flags } from './flags.ts'
import { endLeftovers } from './leftovers.ts'
import { ownProcesses } from './own-processes.ts'
import { pathsOf } from './paths.ts'
import { type Ports, portsOf, type TakenPort, takenPorts, takenPortsMessage } from './ports.ts'
import { identify } from './proc.ts'
import { serverProcesses } from './processes.ts'
import { loadSecrets } from './secrets.ts'
import { type Seeded, seed } from './seed.ts'
import { type CallEvidence, evidenceLines, SelfTestError, selfTest } from './selftest.ts'
import type { Setup } from './setup.ts'
import { buildSoftphone, isSoftphoneCurrent } from './softphone.ts'
import { newState, type State, writeState } from './state.ts'
import { StartError, Supervisor } from './supervise.ts'

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
  mkdirSync(paths.home, { recursive: true })
  const free = freeSpace(paths.home)
  if (free < SPACE_NEEDED)
    throw new PlatformError(
      `The disk of ${paths.home} has ${megabytes(free)} MB left; the servers need ${megabytes(SPACE_NEEDED)} MB. Make room, then start again.`,
    )
  const taken = await stillTaken(ports, ended > 0 ? 5000 : 0)
  if (taken.length > 0) throw new PlatformError(takenPortsMessage(taken, ports))

  const user = await serverUser(paths)
  if (user !== UNPRIVILEGED) progress.line('  ! this machine does not allow another user: the servers run as root')
  const setup: Setup = { flags, paths, ports, secrets: loadSecrets(paths), user, tcpRoot: options.tcpRoot ?? false }
  const state = newState(flags, ports, identify(process.pid))
  const save = () => {
    state.processes = supervisor.running()
    writeState(paths, state)
  }
  const supervisor = new Supervisor([...serverProcesses(setup), ...ownProcesses(setup)], {
    home: paths.home,
    logs: paths.logs,
    say: options.say,
    changed: () => save(),
  })
  await configure(setup)
  const setStatus = (status: State['status']) => {
    state.status = status
    save()
  }
  setStatus('starting')
  let seeded: Seeded | undefined
  const callAgain = () => {
    if (!seeded) throw new SelfTestError('Self-test call failed: the platform is not seeded yet', [])
    return selfTest(setup, seeded.self_test, state.api_url)
  }
  const closeControl = await serveControl(paths, request =>
    handle(request, { state, stateFile: paths.stateFile, save, supervisor, callAgain, onStop: options.onStop }),
  )
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
  const jobs = new AbortController()
  const giveUp = () => {
    jobs.abort()
    void supervisor.stop(2500)
  }
  options.signal?.addEventListener('abort', giveUp, { once: true })
  try {
    // all at once, each as soon as what it needs is there
    await Promise.all([step(progress, 'servers and services', note => supervisor.start(note)), softphone(progress, jobs.signal)])
    const { demo, demo_other, self_test } = await step(progress, 'demo customers', () => seed(setup, state))
    seeded = { demo, demo_other, self_test }
    Object.assign(state, { demo, demo_other })
    const evidence = await step(progress, 'self-test call', () => selfTest(setup, self_test, state.api_url))
    for (const line of evidenceLines(evidence)) progress.line(line)
    options.signal?.throwIfAborted()
    options.signal?.removeEventListener('abort', giveUp)
    setStatus('ready')
    return { setup, state, supervisor, evidence, stop }
  } catch (error) {
    jobs.abort()
    setStatus('failed')
    const told = options.signal?.aborted ? error : await withCulprits(error, supervisor)
    await stop()
    throw told
  }
}

/** RabbitMQ takes no messages any more when less than 200 MB are left. */
const SPACE_NEEDED = 500e6
const megabytes = (bytes: number): number => Math.floor(bytes / 1e6)

function freeSpace(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** Ports in use. The kernel gives those of processes that were just ended back a moment after them. */
async function stillTaken(ports: Ports, patience_ms: number): Promise<TakenPort[]> {
  const end = Date.now() + patience_ms
  for (;;) {
    const taken = takenPorts(ports)
    if (taken.length === 0 || Date.now() >= end) return taken
    await delay(100)
  }
}

/** A process that does not start may only be waiting for another one that hangs: names those as well. */
async function withCulprits(error: unknown, supervisor: Supervisor): Promise<unknown> {
  if (!(error instanceof StartError)) return error
  const ready = new Set(supervisor.status().flatMap(({ name, phase }) => (phase === 'ready' ? [name] : [])))
  const silent = [...(await supervisor.probe())].filter(([name]) => ready.has(name))
  if (silent.length > 0) error.message += `\n${silent.map(([name, problem]) => `  ${name} does not answer: ${problem}`).join('\n')}`
  return error
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

const softphone = async (progress: Progress, signal: AbortSignal): Promise<void> => {
  if (!isSoftphoneCurrent()) await step(progress, 'softphone', () => buildSoftphone(signal))
}

interface Controlled {
  state: State
  stateFile: string
  save: () => void
  supervisor: Supervisor
  callAgain: () => Promise<CallEvidence[]>
  onStop: () => void
}

async function handle(request: ControlRequest, { state, stateFile, save, supervisor, callAgain, onStop }: Controlled): Promise<unknown> {
  switch (request.command) {
    case 'status':
      // somebody removed it
      if (!existsSync(stateFile)) save()
      return { status: state.status, processes: supervisor.status(state.status === 'ready' ? await supervisor.probe() : undefined) }
    case 'stop':
      onStop()
      return { pid: process.pid }
    case 'selftest':
      return callAgain()
    case 'hold':
      return supervisor.hold(request.name)
    case 'restart':
      return supervisor.restart(request.name)
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { privateFolder, tail } from './files.ts'
import { ROOT } from './paths.ts'
import type { Probe } from './probes.ts'
import { identify, isAlive, NAME_VARIABLE, OWNER_VARIABLE, ownedProcesses, type ProcessId, signal } from './proc.ts'
import type { ProcessState } from './state.ts'

/** One row of the process table. */
export interface ProcessSpec {
  name: string
  argv: readonly string[]
  env?: Readonly<Record<string, string>>
  dependsOn?: readonly string[]
  /** Runs once before the first start, e.g. to create a data folder. */
  prepare?: () => Promise<void>
  ready: Probe
  /** Runs once after the first time it is ready, before what depends on it starts. */
  afterReady?: () => Promise<void>
  healthUrl?: string
  metricsUrl?: string
  /** Milliseconds to become ready. Default 30,000. */
  readyTimeout_ms?: number
  /** Default SIGTERM. */
  stopSignal?: NodeJS.Signals
}

export type Phase = 'waiting' | 'starting' | 'ready' | 'restarting' | 'held' | 'stopped' | 'failed'

export interface ProcessStatus extends ProcessState {
  name: string
  phase: Phase
  restarts: number
  uptime_s: number
  /** Only when asked for live: what the probe said when it failed. */
  problem: string | null
}

interface Entry {
  spec: ProcessSpec
  phase: Phase
  child?: ChildProcess
  id?: ProcessId
  since: number
  restarts: number
  failures: number
  /** Raised by every command, so that a loop that waits knows that it is no longer in charge. */
  generation: number
  settled: PromiseWithResolvers<void>
  /** Resolves when the running child has ended and its group is gone. */
  ended?: Promise<void>
  /** Ends a pause before a restart early. */
  wake?: AbortController
}

const BACKOFF_MS = [200, 500, 1000, 2000, 5000, 10_000]
const STABLE_MS = 60_000
const START_ATTEMPTS = 3
const POLL_MS = 100

/** A server did not come up: which, why, its last words, where the rest is. */
export class StartError extends Error {
  readonly processName: string
  constructor(name: string, reason: string, log: string) {
    const words = tail(log, 6).map(line => `    ${line.slice(0, 300)}`)
    super([`${name} did not start: ${reason}`, ...words, `  Its whole log: ${path.relative(process.cwd(), log)}`].join('\n'))
    this.processName = name
  }
}

export interface SupervisorOptions {
  /** Absolute state folder; the mark of everything started here. */
  home: string
  logs: string
  /** One line for people: something ended, is started again, is back. */
  say: (text: string) => void
  /** The table of running processes changed. */
  changed: () => void
}

/** Starts a table of processes in dependency order, keeps them running, stops them in the opposite order. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #entries = new Map<string, Entry>()
  #stopping = false

  constructor(specs: readonly ProcessSpec[], options: SupervisorOptions) {
    this.#options = options
    privateFolder(options.logs)
    this.add(specs)
  }

  add(specs: readonly ProcessSpec[]): void {
    for (const spec of specs) {
      if (this.#entries.has(spec.name)) throw new Error(`two processes are called ${spec.name}`)
      const settled = Promise.withResolvers<void>()
      settled.promise.catch(() => undefined) // start() reports it; a dependency's failure may reach nobody else
      this.#entries.set(spec.name, { spec, phase: 'waiting', since: Date.now(), restarts: 0, failures: 0, generation: 0, settled })
    }
  }

  /** Starts everything that was not started yet; rejects with {@link StartError} as soon as one fails for good. */
  async start(note: (text: string) => void = () => undefined): Promise<void> {
    const waiting = [...this.#entries.values()].filter(e => e.phase === 'waiting')
    let ready = 0
    await Promise.all(
      waiting.map(async entry => {
        await this.#startFirst(entry)
        ready += 1
        note(`${ready} of ${waiting.length} ready: ${entry.spec.name}`)
      }),
    )
  }

  /** Resolves when a process is ready for the first time; rejects with {@link StartError} when it fails. */
  whenReady(name: string): Promise<void> {
    return this.#entry(name).settled.promise
  }

  async #startFirst(entry: Entry): Promise<void> {
    try {
      await Promise.all((entry.spec.dependsOn ?? []).map(name => this.#entry(name).settled.promise))
      await entry.spec.prepare?.()
      for (let attempt = 1; ; attempt += 1) {
        if (this.#stopping) throw new StartError(entry.spec.name, 'stopped while starting', this.logOf(entry.spec.name))
        this.#spawn(entry)
        const problem = await this.#untilReady(entry)
        if (problem === undefined) break
        if (this.#stopping || attempt === START_ATTEMPTS || this.#isRunning(entry))
          throw new StartError(entry.spec.name, problem, this.logOf(entry.spec.name))
        await delay(BACKOFF_MS[attempt])
      }
      await entry.spec.afterReady?.()
      this.#setReady(entry)
      void this.#keepRunning(entry)
      entry.settled.resolve()
    } catch (error) {
      entry.phase = 'failed'
      entry.settled.reject(error)
      throw error
    }
  }

  #spawn(entry: Entry): void {
    const { spec } = entry
    const [file = '', ...args] = spec.argv
    const log = openSync(this.logOf(spec.name), 'a')
    const marks = { [OWNER_VARIABLE]: this.#options.home, [NAME_VARIABLE]: spec.name }
    // a group of its own: Ctrl-C in the terminal is ours to handle, and one signal reaches all its children.
    // The log is a file and not a pipe, so that it goes on when we are killed.
    const child = spawn(file, args, {
      cwd: ROOT,
      env: { PATH: process.env.PATH, ...spec.env, ...marks },
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    entry.child = child
    entry.phase = 'starting'
    entry.since = Date.now()
    if (child.pid !== undefined) entry.id = identify(child.pid)
    entry.ended = new Promise<void>(resolve => {
      child.once('error', () => resolve())
      child.once('exit', () => resolve())
    }).then(() => this.#endGroup(entry, child.pid))
    this.#options.changed()
  }

  /** Children that outlive a dead leader would keep its ports: ends them, also those in groups of their own, and waits until they are gone. */
  async #endGroup(entry: Entry, pid: number | undefined): Promise<void> {
    if (pid !== undefined) signal(-pid, 'SIGKILL')
    for (;;) {
      const left = ownedProcesses(this.#options.home, entry.spec.name)
      if (left.length === 0) return
      for (const other of left) signal(other, 'SIGKILL')
      await delay(10)
    }
  }

  #isRunning(entry: Entry): boolean {
    return entry.child?.exitCode === null && entry.child.signalCode === null && entry.child.pid !== undefined
  }

  /** What was wrong, or undefined when the probe passed. */
  async #untilReady(entry: Entry): Promise<string | undefined> {
    const end = Date.now() + (entry.spec.readyTimeout_ms ?? 30_000)
    let problem = 'not ready'
    while (Date.now() < end) {
      if (this.#stopping) return 'stopped while starting'
      if (!this.#isRunning(entry)) return `it ended with ${howItEnded(entry.child)}`
      try {
        await entry.spec.ready()
        return undefined
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error)
      }
      await delay(POLL_MS)
    }
    return `not ready after ${(entry.spec.readyTimeout_ms ?? 30_000) / 1000} s: ${problem}`
  }

  #setReady(entry: Entry): void {
    entry.phase = 'ready'
    this.#options.changed()
  }

  async #keepRunning(entry: Entry): Promise<void> {
    const { name } = entry.spec
    const { generation } = entry
    const over = () => this.#stopping || entry.generation !== generation
    while (!over()) {
      await entry.ended
      if (over()) return
      const ran = Date.now() - entry.since
      if (ran > STABLE_MS) entry.failures = 0
      const pause = BACKOFF_MS[Math.min(entry.failures, BACKOFF_MS.length - 1)] ?? 0
      entry.failures += 1
      entry.restarts += 1
      entry.phase = 'restarting'
      this.#options.say(
        `${name} ended (${howItEnded(entry.child)}) after ${Math.round(ran / 1000)} s; starting it again in ${pause / 1000} s (restart ${entry.restarts})`,
      )
      this.#options.changed()
      await this.#pause(entry, pause)
      if (over()) return
      this.#spawn(entry)
      const problem = await this.#untilReady(entry)
      if (over()) return
      if (problem === undefined) {
        this.#options.say(`${name} is back (${((Date.now() - entry.since) / 1000).toFixed(1)} s)`)
        this.#setReady(entry)
      } else if (this.#isRunning(entry)) {
        this.#options.say(`${name} runs but is not ready: ${problem}`)
        if (entry.child?.pid !== undefined) signal(-entry.child.pid, 'SIGKILL')
      }
    }
  }

  async #pause(entry: Entry, ms: number): Promise<void> {
    entry.wake = new AbortController()
    await delay(ms, undefined, { signal: entry.wake.signal }).catch((error: unknown) => {
      if (!(error instanceof Error && error.name === 'AbortError')) throw error
    })
  }

  /** Ends a process and keeps it down until {@link restart}. */
  async hold(name: string): Promise<void> {
    const entry = this.#entry(name)
    entry.generation += 1
    entry.phase = 'held'
    entry.wake?.abort()
    await this.#end(entry, Date.now() + 3000)
    this.#options.changed()
  }

  /** Ends a process, if it runs, and starts it again; resolves when it is ready. */
  async restart(name: string): Promise<void> {
    await this.hold(name)
    const entry = this.#entry(name)
    entry.restarts += 1
    this.#spawn(entry)
    const problem = await this.#untilReady(entry)
    if (problem !== undefined) throw new StartError(name, problem, this.logOf(name))
    this.#setReady(entry)
    void this.#keepRunning(entry)
  }

  async #end(entry: Entry, deadline: number): Promise<void> {
    const pid = entry.child?.pid
    if (pid === undefined || !this.#isRunning(entry)) return
    signal(pid, entry.spec.stopSignal ?? 'SIGTERM')
    signal(pid, 'SIGCONT') // a suspended one could not act on it
    const left = Math.max(deadline - Date.now(), 0)
    const inTime = await Promise.race([entry.ended?.then(() => true), delay(left, false, { ref: false })])
    if (inTime) return
    signal(-pid, 'SIGKILL')
    await entry.ended
  }

  /** Stops everything, dependents first, within about `within_ms`; what does not end by itself is killed. Leaves no process behind. */
  async stop(within_ms = 4000): Promise<void> {
    this.#stopping = true
    const deadline = Date.now() + within_ms
    const done = new Map<string, Promise<void>>()
    const stopOne = (entry: Entry): Promise<void> => {
      const known = done.get(entry.spec.name)
      if (known) return known
      const dependents = [...this.#entries.values()].filter(e => e.spec.dependsOn?.includes(entry.spec.name))
      const job = (async () => {
        await Promise.all(dependents.map(stopOne))
        entry.wake?.abort()
        await this.#end(entry, deadline)
        entry.phase = 'stopped'
      })()
      done.set(entry.spec.name, job)
      return job
    }
    await Promise.all([...this.#entries.values()].map(stopOne))
    for (const pid of ownedProcesses(this.#options.home)) signal(pid, 'SIGKILL')
    this.#options.changed()
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name)
    if (!entry) throw new Error(`there is no process "${name}"; there are: ${[...this.#entries.keys()].join(', ')}`)
    return entry
  }

  logOf(name: string): string {
    return path.join(this.#options.logs, `${name}.log`)
  }

  /** Asks every process's probe now. */
  async probe(): Promise<Map<string, string>> {
    const problems = new Map<string, string>()
    await Promise.all(
      [...this.#entries.values()].map(async ({ spec, phase }) => {
        if (phase !== 'ready') problems.set(spec.name, phase)
        else await spec.ready().catch((error: unknown) => problems.set(spec.name, error instanceof Error ? error.message : String(error)))
      }),
    )
    return problems
  }

  status(problems: ReadonlyMap<string, string> = new Map()): ProcessStatus[] {
    return [...this.#entries.values()].flatMap(entry => {
      if (entry.id === undefined) return []
      const { name, healthUrl, metricsUrl } = entry.spec
      return [
        {
          name,
          ...entry.id,
          log: this.logOf(name),
          health_url: healthUrl ?? null,
          metrics_url: metricsUrl ?? null,
          phase: entry.phase,
          restarts: entry.restarts,
          uptime_s: Math.round((Date.now() - entry.since) / 1000),
          problem: problems.get(name) ?? null,
        },
      ]
    })
  }

  /** What runs now, for `state.json`. */
  running(): Record<string, ProcessState> {
    const rows = this.status().filter(row => isAlive(row))
    return Object.fromEntries(
      rows.map(({ name, pid, started, log, health_url, metrics_url }) => [name, { pid, started, log, health_url, metrics_url }]),
    )
  }
}

function howItEnded(child: ChildProcess | undefined): string {
  if (child?.pid === undefined) return 'no process: the command could not be run'
  return child.signalCode === null ? `code ${child.exitCode}` : child.signalCode
}

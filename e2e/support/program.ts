import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from '../../voip/testing/wait.ts'

export interface ProgramOptions {
  cwd: string
  env: Readonly<Record<string, string>>
}

/** A program that somebody would start by hand, and what it says. */
export class Program {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #said = ''

  constructor(command: string, args: readonly string[], { cwd, env }: ProgramOptions) {
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', data => {
        this.#said += String(data)
      })
    this.#ended = once(this.#child, 'close')
  }

  /** What it printed before it ended by itself, with 0. Rejects with what it said otherwise, and when it takes longer: then it is killed. */
  async output(timeout_ms: number): Promise<string> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), timeout_ms)
    await this.#ended
    clearTimeout(late)
    const { exitCode, signalCode } = this.#child
    if (exitCode !== 0) throw new Error(`ended with ${exitCode ?? signalCode}: ${this.#said}`)
    return this.#said
  }

  /** For what runs for ever: waits until it has printed this, while `nudge` makes something happen now and then, and ends it. */
  async outputUntil(shows: RegExp, nudge: () => Promise<void>, timeout_ms: number): Promise<string> {
    const end = Date.now() + timeout_ms
    try {
      while (!shows.test(this.#said) && Date.now() < end) {
        if (this.#child.exitCode !== null) throw new Error(`ended with ${this.#child.exitCode}: ${this.#said}`)
        await nudge()
        await until('its line', () => shows.test(this.#said), 2_000).catch(() => undefined)
      }
      return this.#said
    } finally {
      this.#child.kill('SIGKILL')
      await this.#ended
    }
  }
}

import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../voip/testing/wait.ts'
import { readState, type State } from './platform.ts'

const root = join(import.meta.dirname, '../..')

/** A platform of a test's own, beside the one that all share. */
export class OwnPlatform {
  readonly #home: string

  private constructor(home: string) {
    this.#home = home
  }

  /** Starts it with empty data beside `other`; resolves when it is ready and its self-test has passed. */
  static async start(other: State, flags: readonly string[]): Promise<OwnPlatform> {
    const home = '.voipbin/faults'
    await command('stop', '--home', home)
    rmSync(join(root, home), { recursive: true, force: true })
    const base = String((other.ports.mariadb ?? 18_001) - 1 + 4000)
    const http = String((other.ports.http ?? 8080) + 7)
    await command('start', '--detach', '--home', home, '--port-base', base, '--http-port', http, ...flags)
    return new OwnPlatform(home)
  }

  /** Read anew at every look: process ids change. */
  get state(): State {
    return readState(join(root, this.#home, 'state.json'))
  }

  /** A view of it through its n-th gateway (from 1), as a load balancer would reach it. */
  gateway(n: number): State {
    const { state } = this
    const port = n === 1 ? (state.ports.http ?? 0) : (state.ports.mariadb ?? 0) - 1 + 90 + n - 1
    const at = `127.0.0.1:${port}`
    return { ...state, api_url: `http://${at}/v1.0`, auth_url: `http://${at}/auth`, ws_url: `ws://${at}/ws` }
  }

  /** kill -9 of one of its processes, by the process id it has now. Gives what tells when the supervisor has brought it back. */
  kill(name: string): { restarted: () => Promise<number> } {
    const before = this.state.processes[name]
    if (!before) throw new Error(`there is no process ${name}: ${Object.keys(this.state.processes).join(' ')}`)
    const began = performance.now()
    process.kill(before.pid, 'SIGKILL')
    const restarted = () =>
      until(
        `${name} to be back`,
        async () => {
          const now = this.state.processes[name]
          if (!now || now.pid === before.pid) return false
          if (now.health_url !== null && !(await fetch(now.health_url.replace('/health', '/ready'))).ok) return false
          return Math.round(performance.now() - began)
        },
        60_000,
      )
    return { restarted }
  }

  async stop(): Promise<void> {
    await command('stop', '--home', this.#home)
  }
}

/** One of the two commands a person would type. Rejects with what it said when it fails. */
function command(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [join(root, 'server/platform/bootstrap.mjs'), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => {
      said += data
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => (code === 0 ? resolve() : reject(new Error(`${args.join(' ')} ended with ${code}:\n${said.slice(-3000)}`))))
  })
}

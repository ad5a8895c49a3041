import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { seconds } from '../../progress.mjs'
import { control, NotRunning } from '../control.ts'
import { homeFlag } from '../flags.ts'
import { endLeftovers } from '../leftovers.ts'
import { type Paths, pathsOf } from '../paths.ts'
import { identify, isAlive, type ProcessId, signal } from '../proc.ts'
import { readState, writeState } from '../state.ts'

const PATIENCE_MS = 5000

/** Stops the platform of this folder; nothing running is fine too. */
export async function stop(args: string[]): Promise<number> {
  const paths = pathsOf(homeFlag(args))
  const began = Date.now()
  const asked = await askToStop(paths)
  // one that starts does not listen yet, and one that hangs does not answer
  const supervisor = asked ?? readState(paths)?.supervisor ?? undefined
  if (supervisor && isAlive(supervisor)) {
    if (!asked) signal(supervisor.pid, 'SIGTERM')
    while (isAlive(supervisor) && Date.now() - began < PATIENCE_MS) await delay(30)
    if (isAlive(supervisor)) signal(supervisor.pid, 'SIGKILL')
  }
  const left = await endLeftovers(paths)
  markStopped(paths)
  if (asked) process.stdout.write(`VoIPBIN is stopped (${seconds(Date.now() - began)}).\n`)
  else if (left > 0)
    process.stdout.write(`The supervisor was gone; ended the ${left} processes it had left running (${seconds(Date.now() - began)}).\n`)
  else process.stdout.write('VoIPBIN was not running here.\n')
  return 0
}

/** Asks the supervisor to stop; it says which process it is, so that nothing depends on the state file. */
async function askToStop(paths: Paths): Promise<ProcessId | undefined> {
  try {
    const { pid } = (await control(paths, { command: 'stop' })) as { pid: number }
    return identify(pid)
  } catch (error) {
    if (error instanceof NotRunning) return undefined
    throw error
  }
}

function markStopped(paths: Paths): void {
  const state = readState(paths)
  if (state && (state.status !== 'stopped' || state.supervisor))
    writeState(paths, { ...state, status: 'stopped', supervisor: null, processes: {} })
}

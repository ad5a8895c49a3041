import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { seconds } from '../../progress.mjs'
import { control, NotRunning } from '../control.ts'
import { homeFlag } from '../flags.ts'
import { endLeftovers } from '../leftovers.ts'
import { type Paths, pathsOf } from '../paths.ts'
import { isAlive, signal } from '../proc.ts'
import { readState, writeState } from '../state.ts'

const PATIENCE_MS = 5000

/** Stops the platform of this folder; nothing running is fine too. */
export async function stop(args: string[]): Promise<number> {
  const paths = pathsOf(homeFlag(args))
  const began = Date.now()
  const supervisor = readState(paths)?.supervisor ?? undefined
  const asked = await control(paths, { command: 'stop' }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof NotRunning) return false
      throw error
    },
  )
  if (asked && supervisor) {
    while (isAlive(supervisor) && Date.now() - began < PATIENCE_MS) await delay(30)
    if (isAlive(supervisor)) signal(supervisor.pid, 'SIGKILL')
  } else if (supervisor && isAlive(supervisor)) {
    // it is starting and does not listen yet, or it hangs
    signal(supervisor.pid, 'SIGTERM')
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

function markStopped(paths: Paths): void {
  const state = readState(paths)
  if (state && (state.status !== 'stopped' || state.supervisor))
    writeState(paths, { ...state, status: 'stopped', supervisor: null, processes: {} })
}

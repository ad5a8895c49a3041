import { setTimeout as delay } from 'node:timers/promises'
import type { Paths } from './paths.ts'
import { identify, isAlive, ownedProcesses, type ProcessId, signal } from './proc.ts'
import { readState } from './state.ts'

const GRACE_MS = 3000

/**
 * Processes of this installation that run without a supervisor, after it was killed. Proof of being ours: pid and start time as recorded
 * in the state file, or our mark with this state folder in the environment.
 */
export function leftovers(paths: Paths): ProcessId[] {
  const recorded = Object.values(readState(paths)?.processes ?? {}).filter(isAlive)
  const known = new Set(recorded.map(p => p.pid))
  const marked = ownedProcesses(paths.home)
    .filter(pid => !known.has(pid))
    .map(identify)
  return [...recorded.map(({ pid, started }) => ({ pid, started })), ...marked]
}

/** Ends them, politely first. Gives how many there were. */
export async function endLeftovers(paths: Paths): Promise<number> {
  const found = leftovers(paths)
  for (const { pid } of found) {
    signal(pid, 'SIGTERM')
    signal(pid, 'SIGCONT')
  }
  const deadline = Date.now() + GRACE_MS
  while (found.some(isAlive) && Date.now() < deadline) await delay(50)
  for (const id of found.filter(isAlive)) signal(id.pid, 'SIGKILL')
  while (found.some(isAlive)) await delay(20)
  // children of theirs that were started meanwhile
  for (const pid of ownedProcesses(paths.home)) signal(pid, 'SIGKILL')
  return found.length
}

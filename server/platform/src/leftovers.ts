import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Paths, ROOT } from './paths.ts'
import { commandOf, identify, isAlive, ownedProcesses, type ProcessId, parentOf, signal } from './proc.ts'
import { readState } from './state.ts'

const GRACE_MS = 3000
const MAIN_SCRIPT = path.join(ROOT, 'server/platform/src/main.ts')

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

/** Supervisors of this installation that nobody can ask any more, because somebody removed the state folder under them: parents of what is marked. */
function lostSupervisors(paths: Paths): ProcessId[] {
  const parents = new Set(ownedProcesses(paths.home).map(parentOf))
  return [...parents].filter(pid => pid > 1 && pid !== process.pid && commandOf(pid).includes(MAIN_SCRIPT)).map(identify)
}

/** Ends them, politely first; the supervisor before all, which would start them again. Gives how many there were. */
export async function endLeftovers(paths: Paths): Promise<number> {
  const lost = lostSupervisors(paths)
  const found = [...lost, ...leftovers(paths)]
  for (const { pid } of lost) signal(pid, 'SIGKILL')
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

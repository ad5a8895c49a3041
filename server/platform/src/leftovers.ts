import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Paths, ROOT } from './paths.ts'
import { allPids, commandOf, identify, isAlive, ownedProcesses, type ProcessId, parentOf, signal } from './proc.ts'
import { readState } from './state.ts'

const GRACE_MS = 3000
const SUPERVISOR_GRACE_MS = 6000
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

/**
 * Supervisors that nobody can ask any more, because somebody removed the state folder under them (parents of what is marked), and what they started:
 * without the folder nothing is recorded, and a Redis shows no mark.
 */
function lostSupervisors(paths: Paths): { supervisors: ProcessId[]; children: ProcessId[] } {
  const parents = new Set(ownedProcesses(paths.home).map(parentOf))
  const supervisors = [...parents].filter(pid => pid > 1 && pid !== process.pid && commandOf(pid).includes(MAIN_SCRIPT))
  const children = allPids().filter(pid => supervisors.includes(parentOf(pid)))
  return { supervisors: supervisors.map(identify), children: children.map(identify) }
}

/** Ends them, politely first. Gives how many there were. */
export async function endLeftovers(paths: Paths): Promise<number> {
  const lost = lostSupervisors(paths)
  // first, because they would start the others again; they stop what they started
  await end(lost.supervisors, SUPERVISOR_GRACE_MS)
  const found = [...leftovers(paths), ...lost.children.filter(isAlive)]
  await end(found, GRACE_MS)
  // children of theirs that were started meanwhile
  for (const pid of ownedProcesses(paths.home)) signal(pid, 'SIGKILL')
  return lost.supervisors.length + lost.children.length || found.length
}

async function end(processes: readonly ProcessId[], grace_ms: number): Promise<void> {
  for (const { pid } of processes) {
    signal(pid, 'SIGTERM')
    signal(pid, 'SIGCONT')
  }
  const deadline = Date.now() + grace_ms
  while (processes.some(isAlive) && Date.now() < deadline) await delay(50)
  for (const id of processes.filter(isAlive)) signal(id.pid, 'SIGKILL')
  while (processes.some(isAlive)) await delay(20)
}

// What /proc says about processes: who is alive, who is ours, who holds a socket.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Set for everything the launcher starts, to the absolute state folder: proof that a process belongs to this installation. */
export const OWNER_VARIABLE = 'VOIPBIN_OWNER'
export const NAME_VARIABLE = 'VOIPBIN_PROCESS'

/** A process, told from a later one with the same pid by its start time (clock ticks since boot). */
export interface ProcessId {
  pid: number
  started: string
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(String(error.code))) return undefined
    throw error
  }
}

/** Fields of /proc/<pid>/stat from the third on: the second is the command, which may hold blanks. */
function statOf(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Start time of a living process; undefined when it is gone or a zombie. */
export function startedAt(pid: number): string | undefined {
  const stat = statOf(pid)
  return stat === undefined || stat[0] === 'Z' || stat[0] === 'X' ? undefined : stat[19]
}

export const isAlive = (id: ProcessId): boolean => startedAt(id.pid) === id.started

export const identify = (pid: number): ProcessId => ({ pid, started: startedAt(pid) ?? '' })

export const allPids = (): number[] => readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) ? [Number(name)] : []))

/** Process group and session, to find children that outlived their parent. */
export const groupOf = (pid: number): number => Number(statOf(pid)?.[2] ?? 0)

/** The process that started it; 1 when that one is gone. */
export const parentOf = (pid: number): number => Number(statOf(pid)?.[1] ?? 0)

/** Its command line, word by word. */
export const commandOf = (pid: number): string[] => read(`/proc/${pid}/cmdline`)?.split('\0') ?? []

function environmentOf(pid: number): string[] {
  return read(`/proc/${pid}/environ`)?.split('\0') ?? []
}

/** Living processes that carry our mark; `name` narrows it to one entry of the process table. */
export function ownedProcesses(home: string, name?: string): number[] {
  const mark = `${OWNER_VARIABLE}=${home}`
  return allPids().filter(pid => {
    if (pid === process.pid) return false
    const environment = environmentOf(pid)
    if (!environment.includes(mark)) return false
    return startedAt(pid) !== undefined && (name === undefined || environment.includes(`${NAME_VARIABLE}=${name}`))
  })
}

export function ownerOfSocket(inode: string): number | undefined {
  return allPids().find(pid => holdsSocket(pid, `socket:[${inode}]`))
}

function holdsSocket(pid: number, link: string): boolean {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).some(fd => readlinkSync(`${folder}/${fd}`) === link)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false // it ended meanwhile, or is not ours to look into
    throw error
  }
}

/** One line for a person: pid, command, and which VoIPBIN it belongs to when it is one. */
export function describeProcess(pid: number): string {
  const command = commandOf(pid).join(' ').trim().slice(0, 80) || read(`/proc/${pid}/comm`)?.trim() || '?'
  const owner = environmentOf(pid)
    .find(e => e.startsWith(`${OWNER_VARIABLE}=`))
    ?.slice(OWNER_VARIABLE.length + 1)
  return `process ${pid} (${command})${owner ? `, of the VoIPBIN in ${owner.replace(/\/\.voipbin$/, '')}: \`npm stop\` there ends it` : ''}`
}

/** Sends a signal; false when the process is gone. A negative pid means its process group. Throws for 0, 1 and -1, which mean far more. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  if (!Number.isInteger(pid) || Math.abs(pid) <= 1) throw new RangeError(`refusing to send ${name} to process ${pid}`)
  try {
    process.kill(pid, name)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}

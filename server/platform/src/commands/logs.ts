import { existsSync, readdirSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs, stripVTControlCharacters } from 'node:util'
import { tail } from '../files.ts'
import { UsageError } from '../flags.ts'
import { pathsOf } from '../paths.ts'
import { groupOf, SERVICE_NAMES } from '../services.ts'
import { readState } from '../state.ts'

const POLL_MS = 250

/** A log, or the lines of it that are a service's. */
interface Source {
  name: string
  file: string
  isWanted: (line: string) => boolean
}

/**
 * `logs [name…] [-f] [-n lines]`: the last lines of each log, or of the named processes and services; `-f` goes on until Ctrl-C. Throws UsageError for
 * a name that nothing has.
 */
export async function logs(args: string[]): Promise<number> {
  const options = {
    follow: { type: 'boolean', short: 'f', default: false },
    lines: { type: 'string', short: 'n', default: '20' },
    home: { type: 'string', default: '.voipbin' },
  } as const
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
  const lines = Number(values.lines)
  if (!Number.isInteger(lines) || lines < 0) throw new UsageError(`-n ${values.lines}: must be a whole number of lines`)
  const paths = pathsOf(values.home)
  const folder = paths.logs
  const known = existsSync(folder) ? readdirSync(folder).flatMap(file => (file.endsWith('.log') ? [file.slice(0, -4)] : [])) : []
  if (known.length === 0) throw new UsageError('There are no logs yet. `npm start` makes them.')
  const running = Object.keys(readState(paths)?.processes ?? {})
  const sources = (positionals.length > 0 ? positionals : known).map(name => sourceOf(name, { known, running, folder }))
  const width = Math.max(...sources.map(({ name }) => name.length))
  const show = ({ name }: Source, line: string) => {
    const plain = stripVTControlCharacters(line)
    process.stdout.write(sources.length === 1 ? `${plain}\n` : `${name.padEnd(width)} | ${plain}\n`)
  }
  for (const source of sources) for (const line of tail(source.file, lines, source.isWanted)) show(source, line)
  if (values.follow) await Promise.race([interrupted(), ...sources.map(source => follow(source, line => show(source, line)))])
  return 0
}

interface Logs {
  /** Names of the logs there are. */
  known: readonly string[]
  /** Processes that run now: a service may have had a log of its own in an earlier start. */
  running: readonly string[]
  folder: string
}

/** A process's log, or what is of a service in the log of the process it shares with others. */
export function sourceOf(name: string, { known, running, folder }: Logs): Source {
  const fileOf = (log: string) => path.join(folder, `${log}.log`)
  const group = groupOf(name) ?? ''
  const isShared = known.includes(group) && !running.includes(name) && (running.includes(group) || !known.includes(name))
  if (isShared) return { name, file: fileOf(group), isWanted: line => concerns(name, line) }
  if (known.includes(name)) return { name, file: fileOf(name), isWanted: () => true }
  const services = SERVICE_NAMES.filter(service => known.includes(groupOf(service) ?? '') && !known.includes(service))
  throw new UsageError(`There is no log "${name}". There are: ${[...known, ...services].join(', ')}.`)
}

/** Lines of the service, and those of the whole process: what is no log line (a stack, last words) may be anybody's. */
function concerns(service: string, line: string): boolean {
  const of = /"service":"([^"]*)"/.exec(line)?.[1]
  return of === undefined || of === 'services' || of === service
}

const interrupted = () => new Promise<void>(resolve => process.once('SIGINT', () => resolve()))

async function follow({ file, isWanted }: Source, show: (line: string) => void): Promise<void> {
  let position = (await stat(file)).size
  let rest = ''
  for (;;) {
    await delay(POLL_MS)
    const { size } = await stat(file)
    if (size < position) position = 0
    if (size === position) continue
    const handle = await open(file)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - position), 0, size - position, position)
    await handle.close()
    position += bytesRead
    const lines = (rest + buffer.subarray(0, bytesRead).toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines.filter(isWanted)) show(line)
  }
}

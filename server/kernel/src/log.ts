import { hostname } from 'node:os'
import { type DestinationStream, pino } from 'pino'
import type { Logger } from './context.ts'
import { redact, redactText } from './redact.ts'

export interface LogOptions {
  service: string
  /** Tells instances of one service apart. Default: host name and process id. */
  instance?: string
  level?: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** Where lines go. Default: stdout, synchronously, so that a killed process has said everything. */
  to?: DestinationStream
}

/** One JSON object per line: `timestamp, level, service, instance, message`, then the fields. Secrets are replaced by name and by shape. */
export function createLogger({ service, instance = `${hostname()}-${process.pid}`, level = 'info', to }: LogOptions): Logger {
  const options = {
    level,
    // Bound by `wrap`, so that a child may stand for another service.
    base: null,
    messageKey: 'message',
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
    // Fields are plain by then; pino would fold an error's causes into one line.
    serializers: { err: (value: unknown) => value },
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return wrap(to ? pino(options, to) : pino(options), { service, instance })
}

interface Sink {
  debug(fields: object, msg: string): void
  info(fields: object, msg: string): void
  warn(fields: object, msg: string): void
  error(fields: object, msg: string): void
  isLevelEnabled(level: string): boolean
}

/** Names the line itself uses; a field that happens to be called so moves aside. */
const taken = new Set(['timestamp', 'level', 'service', 'instance', 'message'])
/** A child logger may say for whom it speaks. */
const takenInChild = new Set(['timestamp', 'level', 'message'])

function clean(fields: object, names = taken): object {
  // An error passed as the fields themselves is still an error.
  const plain = redact(fields instanceof Error ? { error: fields } : fields) as Record<string, unknown>
  for (const name of Object.keys(plain)) {
    if (!names.has(name)) continue
    plain[`field_${name}`] = plain[name]
    delete plain[name]
  }
  return plain
}

function wrap(sink: Sink, bound: object): Logger {
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (msg: string, fields?: object) => {
    if (!sink.isLevelEnabled(level)) return
    sink[level](fields ? { ...bound, ...clean(fields) } : bound, redactText(msg))
  }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: fields => wrap(sink, { ...bound, ...clean(fields, takenInChild) }),
  }
}

/** Says nothing. For tools and tests. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}

import { VoIPBINError } from '../errors.ts'
import { RealtimeError } from '../realtime.ts'
import { type Arguments, readArguments } from './arguments.ts'
import { builtIns, operationNamed, resourceNamed } from './catalogue.ts'
import { complete, completionScript } from './completion.ts'
import { helpOf, mainHelp, resourceHelp } from './help.ts'
import { Interrupted, type Io, styled } from './io.ts'
import { listen } from './listen.ts'
import { operate } from './operate.ts'
import { events } from './replay.ts'
import { login, logout, whoami } from './sign-in.ts'
import { clean } from './table.ts'
import { UsageError } from './usage.ts'

/** Runs a command line. 0: done, 1: refused by the platform or not reached, 2: not understood, 130: ended by Ctrl-C. Everything is told on `io`. */
export async function run(io: Io, words: readonly string[], version: string): Promise<number> {
  try {
    return await dispatch(io, words, version)
  } catch (error) {
    return explain(io, error)
  }
}

const programs: Record<string, (io: Io, given: Arguments) => Promise<number>> = {
  login,
  logout,
  whoami,
  listen,
  events,
  completion: async (io, { positionals }) => {
    io.out(completionScript(positionals[0]))
    return 0
  },
}

async function dispatch(io: Io, words: readonly string[], version: string): Promise<number> {
  const [first, ...rest] = words
  if (first === '--version') io.out(`${version}\n`)
  else if (first === '__complete')
    io.out(
      complete(rest)
        .map(word => `${word}\n`)
        .join(''),
    )
  else if (first === undefined || first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
    io.out(mainHelp())
    // Nothing was asked for: that is no success for a script.
    if (first === undefined) return 2
  } else if (first === 'help') return dispatch(io, [...rest, '--help'], version)
  else if (first.startsWith('-')) throw new UsageError(`A command comes first, then its flags: voipbin <command> ${first}`)
  else if (Object.hasOwn(builtIns, first)) return builtIn(io, first, rest)
  else return ofResource(io, resourceNamed(first), rest)
  return 0
}

async function builtIn(io: Io, name: string, words: readonly string[]): Promise<number> {
  const given = readArguments(words, builtIns[name]?.flags ?? {})
  if (given.values.has('help')) {
    io.out(helpOf(name))
    return 0
  }
  return programs[name]?.(io, given) ?? 2
}

async function ofResource(io: Io, resource: string, words: readonly string[]): Promise<number> {
  const [verb, ...rest] = words
  if (verb !== undefined && !verb.startsWith('-')) return operate(io, operationNamed(resource, verb), rest)
  if (verb === '--help' || verb === '-h') {
    io.out(resourceHelp(resource))
    return 0
  }
  io.err(resourceHelp(resource))
  return 2
}

/** Says what went wrong on standard error; gives the exit code. */
function explain(io: Io, error: unknown): number {
  if (error instanceof Interrupted || io.signal.aborted) {
    io.err('\n')
    return 130
  }
  const head = styled(io, io.errIsTty, 'red', 'error:')
  if (error instanceof UsageError) {
    io.err(`${head} ${error.message}\n`)
    return 2
  }
  if (error instanceof VoIPBINError || error instanceof RealtimeError) {
    const [said = '', ...fields] = error.message.split('\n').map(clean)
    const lines = [`${head} ${said.replace(/ \(request [^)]*\)$/, '')}`, ...fields, `  request_id: ${error.request_id}`]
    const isForeign = error.status === 'UNAUTHENTICATED' && error.reason !== 'LOGIN_FAILED'
    if (isForeign) lines.push('  Run `voipbin login`, or check VOIPBIN_ACCESS_KEY.')
    io.err(lines.map(line => `${line}\n`).join(''))
    return 1
  }
  io.err(`${head} ${error instanceof Error ? error.message : String(error)}\n`)
  return 1
}

import type { Page } from '../index.ts'
import { type Arguments, type Flags, readArguments } from './arguments.ts'
import type { Operation } from './catalogue.ts'
import { operationHelp } from './help.ts'
import { flagsOf, readInput } from './input.ts'
import { type Io, Progress } from './io.ts'
import { formatOf, printOne, printRows } from './output.ts'
import { openSession, publicClient } from './session.ts'
import { UsageError } from './usage.ts'

/** Flags of an operation: its fields, where the body comes from, and whether all pages are wanted. */
export const operationFlags = ({ command, hasBody, isList }: Operation): Flags => ({
  ...flagsOf(command.fields),
  ...(hasBody && { data: 'value' }),
  ...(isList && { all: 'switch' }),
})

/** `voipbin <resource> <verb> …` */
export async function operate(io: Io, operation: Operation, words: readonly string[]): Promise<number> {
  const given = readArguments(words, operationFlags(operation))
  if (given.values.has('help')) {
    io.out(operationHelp(operation))
    return 0
  }
  formatOf(io, given.values)
  if (operation.isBytes && io.outIsTty) throw new UsageError('This is a file, not text: send it somewhere, with `> file` for example.')
  const path = pathValues(operation, given)
  const { query, body } = await readInput(io, operation.command, given.values)
  const client = operation.isPublic ? publicClient(io, given.values) : openSession(io, given.values).client
  const { isBytes, isList, hasQuery, hasBody } = operation
  const [resource, method] = operation.client
  // By route data, as the client itself is made; the contract's types hold for both.
  const call = (client as unknown as Record<string, Record<string, (...args: unknown[]) => unknown>>)[resource]?.[method]
  if (!call) throw new Error(`the client has no ${resource}.${method}`)
  const args = [...path, ...(hasQuery ? [query] : []), ...(hasBody ? [body] : []), { signal: io.signal }]
  if (isList) await list(io, call(...args) as Page<object>, given)
  else if (isBytes) await bytes(io, call(...args) as Promise<Blob>)
  else printOne(io, (await (call(...args) as Promise<object | undefined>)) ?? {}, given.values)
  return 0
}

function pathValues({ command, resource, verb }: Operation, { positionals }: Arguments): string[] {
  const names = command.path.map(([name]) => name)
  const usage = `voipbin ${[resource, verb, ...names.map(name => `<${name}>`)].join(' ')}`
  const [extra] = positionals.slice(names.length)
  if (extra !== undefined) throw new UsageError(`'${extra}' is one word too many: ${usage}`)
  const missing = names.find((_, i) => !positionals[i])
  if (missing !== undefined) throw new UsageError(`<${missing}> is missing: ${usage}`)
  return positionals
}

async function list(io: Io, page: Page<object>, { values }: Arguments): Promise<void> {
  if (values.get('all')?.at(-1) !== 'true') return printRows(io, await page, values)
  const progress = new Progress(io)
  const isStream = formatOf(io, values) === 'jsonl'
  const result: object[] = []
  let count = 0
  for await (const row of page) {
    count++
    if (isStream) io.out(`${JSON.stringify(row)}\n`)
    else result.push(row)
    if (count % 100 === 0 && !(isStream && io.outIsTty)) progress.show(`${count} rows …`)
  }
  progress.clear()
  if (!isStream) printRows(io, { result, next_page_token: '' }, values)
}

async function bytes(io: Io, answer: Promise<Blob>): Promise<void> {
  io.out(new Uint8Array(await (await answer).arrayBuffer()))
}

import { readFileSync } from 'node:fs'
import type { Command, CommandField } from '../../../generated/sdk/commands.ts'
import type { Flags } from './arguments.ts'
import type { Io } from './io.ts'
import { UsageError } from './usage.ts'

type Values = ReadonlyMap<string, string[]>
type Json = Record<string, unknown>
export interface Input {
  query: Json
  /** Undefined when nothing was given and nothing is needed. */
  body: Json | undefined
}

/** The flags of an operation by its contract. */
export const flagsOf = (fields: readonly CommandField[]): Flags =>
  Object.fromEntries(fields.map(({ name, type, list }) => [name, type === 'boolean' && !list ? 'switch' : 'value']))

/** What an operation is sent: `--data` first, flags on top of it. Throws UsageError when something is missing or of the wrong type. */
export async function readInput(io: Io, command: Command, values: Values): Promise<Input> {
  const given = values.get('data')?.at(-1)
  const sent = { query: {} as Json, body: given === undefined ? ({} as Json) : objectIn(await textOf(io, given), '--data') }
  for (const [path, texts] of values) {
    const field = command.fields.find(({ name }) => name === path.replace(/\.\d+(?=\.|$)/g, '.*'))
    if (!field) continue
    const parts = await Promise.all(texts.map(text => parseValue(io, field, text)))
    put(sent[field.in], path.split('.'), field.list ? itemsOf(parts) : parts.at(-1), path)
  }
  await askSecrets(io, command, sent.body)
  const missing = command.fields.filter(field => field.required && isLeaf(field, command) && at(sent[field.in], field.name) === undefined)
  if (missing.length > 0) throw new UsageError(`Missing: ${missing.map(({ name }) => `--${name}`).join(', ')}.`)
  const isEmpty = Object.keys(sent.body).length === 0 && given === undefined && !command.needsBody
  return { query: sent.query, body: isEmpty ? undefined : sent.body }
}

/** Objects are complete when their required properties are there. */
const isLeaf = ({ name, type }: CommandField, { fields }: Command): boolean =>
  type !== 'json' || !fields.some(other => other.required && other.name.startsWith(`${name}.`))

/** Passwords that have to be there are asked for, so that no other program sees them among the arguments. */
async function askSecrets(io: Io, { fields }: Command, body: Json): Promise<void> {
  if (!io.inIsTty) return
  for (const { name, secret, required, in: place } of fields) {
    if (secret && required && place === 'body' && at(body, name) === undefined)
      put(body, name.split('.'), await io.ask(`${name}: `, true), name)
  }
}

/** Text, `@file`, or `-` for standard input. */
async function textOf(io: Io, text: string): Promise<string> {
  if (text === '-') return io.readAll()
  if (!text.startsWith('@')) return text
  try {
    return readFileSync(text.slice(1), 'utf8')
  } catch (error) {
    throw new UsageError(`${text.slice(1)} cannot be read: ${(error as Error).message}.`, { cause: error })
  }
}

function objectIn(text: string, flag: string): Json {
  const value = json(text, flag)
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new UsageError(`${flag} is a JSON object.`)
  return value as Json
}

function json(text: string, flag: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${flag} is not valid JSON: ${(error as Error).message}.`, { cause: error })
  }
}

async function parseValue(io: Io, field: CommandField, text: string): Promise<unknown> {
  const flag = `--${field.name}`
  if (field.nullable && text === 'null') return null
  if (field.type === 'json') return json(await textOf(io, text), flag)
  if (field.list && text.startsWith('[')) return json(text, flag)
  if (field.secret) return io.ask(`${notArgued(flag, text)}: `, true)
  if (field.type === 'boolean') {
    if (text !== 'true' && text !== 'false') throw new UsageError(`${flag} is true or false.`)
    return text === 'true'
  }
  if (field.type === 'integer' || field.type === 'number') {
    const number = text.trim() === '' ? Number.NaN : Number(text)
    const isRight = field.type === 'integer' ? Number.isSafeInteger(number) : Number.isFinite(number)
    if (!isRight) throw new UsageError(`${flag} is ${field.type === 'integer' ? 'a whole number' : 'a number'}, not '${text}'.`)
    return number
  }
  if (field.values && !field.values.includes(text)) throw new UsageError(`${flag} is one of ${field.values.join(', ')}.`)
  return text
}

/** The name of a flag whose value is asked for. Other programs see what stands among the arguments. */
export function notArgued(flag: string, text: string): string {
  if (text === '-') return flag.slice(2)
  throw new UsageError(
    `${flag} is not taken from the command line, which other programs can see: \`${flag} -\` asks for it, or reads it from standard input.`,
  )
}

/** Items given one by one, or as JSON lists. `null` alone is no item. */
const itemsOf = (parts: readonly unknown[]): unknown => (parts.length === 1 && parts[0] === null ? null : parts.flat())

const at = (value: unknown, name: string): unknown =>
  name.split('.').reduce((found, key) => (found as Json | null | undefined)?.[key], value)

/** Sets a value deep inside; numbers count items. */
function put(target: Json, path: readonly string[], value: unknown, flag: string): void {
  let place: Json = target
  for (const [i, key] of path.slice(0, -1).entries()) {
    const isList = /^\d+$/.test(path[i + 1] ?? '')
    const next = place[key] ?? (isList ? [] : {})
    if (typeof next !== 'object') throw new UsageError(`--${flag} does not fit what --${path.slice(0, i + 1).join('.')} says.`)
    if (isList && Number(path[i + 1]) > (next as unknown[]).length) throw new UsageError(`--${flag}: items count from 0 without a gap.`)
    place[key] = next
    place = next as Json
  }
  place[path.at(-1) ?? ''] = value
}

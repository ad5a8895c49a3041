import type { Json } from './json.ts'
import { type Field, isList, type Model, type PublicOperation } from './model.ts'
import { resolve, typesOf } from './schema.ts'
import { methodName } from './sdk.ts'
import { camel, key, quote } from './text.ts'

export interface CodeSample {
  lang: string
  label: string
  source: string
}

/** Stands for the address of an installation; the gateway puts its own there. */
export const sampleOrigin = 'http://localhost:8080'

/** An operation as a command and as a program, with the example of the contract: `x-codeSamples` of the public document. */
export function codeSamples(operation: PublicOperation, model: Model): CodeSample[] {
  return [
    { lang: 'Shell', label: 'curl', source: curl(operation, model) },
    { lang: 'TypeScript', label: 'TypeScript SDK', source: typescript(operation, model) },
  ]
}

interface Media {
  content?: Record<string, { example?: Json }>
}
/** The example of its body. */
export const bodyOf = ({ raw }: PublicOperation): Json | undefined =>
  (raw.requestBody as Media | undefined)?.content?.['application/json']?.example

/** What stands for a parameter: its example, an id, a number, or its name. */
export function exampleOf({ name, schema }: Field, model: Model): string {
  const { example, enum: values, format, pattern = '' } = resolve(schema, model.schemas)
  if (typeof example === 'string') return example
  if (values) return String(values[0])
  if (format === 'uuid') return '01980a4e-5d00-7a11-8c3e-1f2a3b4c5d02'
  return pattern.startsWith('^\\+') ? '+15551230100' : name
}

/** The query parameters that have to be there. */
export function requiredQuery(operation: PublicOperation, model: Model): [string, string | number][] {
  const isNumber = ({ schema }: Field): boolean =>
    typesOf(resolve(schema, model.schemas)).types.some(type => /^(integer|number)$/.test(type))
  const needed = operation.query.filter(field => field.required)
  return needed.map(field => [field.name, isNumber(field) ? (resolve(field.schema, model.schemas).minimum ?? 1) : exampleOf(field, model)])
}

function curl(operation: PublicOperation, model: Model): string {
  const path = operation.path.reduce(
    (text, field) => text.replace(`{${field.name}}`, encodeURIComponent(exampleOf(field, model))),
    operation.httpPath,
  )
  const query = new URLSearchParams(
    requiredQuery(operation, model).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString()
  const body = bodyOf(operation)
  const post = body !== undefined && operation.method === 'POST'
  const lines = [
    `curl ${operation.method === 'GET' || post ? '' : `-X ${operation.method} `}'${sampleOrigin}${path}${query && `?${query}`}'`,
    operation.permission !== 'public' && '-H "Authorization: AccessKey $VOIPBIN_ACCESS_KEY"',
    body !== undefined && "-H 'Content-Type: application/json'",
    body !== undefined && `-d '${JSON.stringify(body, null, 2).replaceAll("'", "'\\''")}'`,
  ]
  return lines.filter(line => line !== false).join(' \\\n  ')
}

function typescript(operation: PublicOperation, model: Model): string {
  const credential = operation.permission === 'public' ? 'token: null' : 'accessKey: process.env.VOIPBIN_ACCESS_KEY'
  const query = requiredQuery(operation, model)
  const body = bodyOf(operation)
  const parameters = [
    ...operation.path.map(field => quote(exampleOf(field, model))),
    ...(query.length > 0 ? [printed(Object.fromEntries(query))] : []),
    ...(body === undefined ? [] : [printed(body)]),
  ]
  const call = `client.${camel(operation.tag)}.${methodName(operation, model)}(${parameters.join(', ')})`
  const output = isList(operation, model) ? `for await (const row of ${call}) console.log(row)` : `console.log(await ${call})`
  return `import { VoIPBIN } from '@voipbin/sdk'\n\nconst client = new VoIPBIN({ ${credential}, baseUrl: '${sampleOrigin}' })\n${output}\n`
}

/** A JSON value as one writes it in TypeScript, on one line while it is short. */
function printed(value: Json, indent = ''): string {
  if (typeof value === 'string') return quote(value)
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const inside = `${indent}  `
  const isList = Array.isArray(value)
  const parts = isList
    ? value.map(item => printed(item, inside))
    : Object.entries(value).map(([name, part]) => `${key(name)}: ${printed(part, inside)}`)
  const [open, close] = isList ? ['[', ']'] : ['{', '}']
  const line = isList ? `[${parts.join(', ')}]` : `{ ${parts.join(', ')} }`
  if (parts.length === 0) return open + close
  if (line.length + indent.length <= 72 && !line.includes('\n')) return line
  return `${open}\n${parts.map(part => `${inside}${part},\n`).join('')}${indent}${close}`
}

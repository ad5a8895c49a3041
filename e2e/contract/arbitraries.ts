import fc, { type Arbitrary } from 'fast-check'
import { type Document, type Operation, resolve, type Schema, typesOf } from './document.ts'

/** Any JSON value, small. */
const anything = fc.jsonValue({ maxDepth: 3 })
/** Texts that break what was written without thinking of them. */
const nasty = fc.constantFrom(
  '',
  ' ',
  'null',
  '\u0000',
  '\ud800',
  '😀'.repeat(50),
  "'; DROP TABLE x; --",
  '../../etc/passwd',
  '${jndi:ldap://x}',
  '<script>',
  '%00',
  '__proto__',
  '\u202egnp.exe',
  'ａ',
)
const tooLong = fc.constant('x'.repeat(70_000))
const text = fc.oneof({ weight: 5, arbitrary: fc.string() }, { weight: 3, arbitrary: nasty }, { weight: 1, arbitrary: tooLong })

export interface Known {
  document: Document
  /** Ids of rows that are there, by resource. */
  rows: ReadonlyMap<string, string>
}

/** Values that mostly fit a schema and now and then do not. `deviate` is how often they do not, in parts of a hundred. */
export function valueFor(schema: Schema, known: Known, deviate: number, depth = 0): Arbitrary<unknown> {
  const sound = soundValue(schema, known, deviate, depth)
  return fc.oneof({ weight: 100 - deviate, arbitrary: sound }, { weight: deviate, arbitrary: fc.oneof(anything, text) })
}

function soundValue(schema: Schema, known: Known, deviate: number, depth: number): Arbitrary<unknown> {
  const node = resolve(schema, known.document)
  if (node.const !== undefined) return fc.constant(node.const)
  if (node.enum) return fc.constantFrom(...node.enum)
  const variants = node.oneOf ?? node.anyOf
  if (variants) return fc.oneof(...variants.map(one => valueFor(one, known, deviate, depth + 1)))
  const types = typesOf(node)
  const kinds = types.flatMap(type => kindOf(type, node, { known, deviate, depth }))
  if (kinds.length > 0) return fc.oneof(...kinds)
  return node.properties ? objectOf(node, { known, deviate, depth }) : anything
}

interface Place {
  known: Known
  deviate: number
  depth: number
}

function kindOf(type: string, node: Schema, place: Place): Arbitrary<unknown>[] {
  if (type === 'object') return [objectOf(node, place)]
  if (type === 'array')
    return [fc.array(valueFor(node.items ?? {}, place.known, place.deviate, place.depth + 1), { maxLength: place.depth > 3 ? 1 : 4 })]
  if (type === 'string') return [textOf(node, place.known)]
  if (type === 'integer') return [numberOf(node)]
  if (type === 'number') return [fc.oneof(numberOf(node), fc.double({ noNaN: true }))]
  if (type === 'boolean') return [fc.boolean()]
  return type === 'null' ? [fc.constant(null)] : []
}

const numberOf = ({ minimum = -10, maximum = 2 ** 53 }: Schema): Arbitrary<number> =>
  fc.oneof(
    fc.constantFrom(minimum, maximum),
    fc.maxSafeInteger().map(n => minimum + (Math.abs(n) % (Math.max(0, maximum - minimum) + 1))),
  )

function objectOf(node: Schema, { known, deviate, depth }: Place): Arbitrary<unknown> {
  const fields = Object.fromEntries(
    Object.entries(node.properties ?? {}).map(([name, property]) => [name, valueFor(property, known, deviate, depth + 1)]),
  )
  const required = (node.required ?? []).filter(name => fields[name] !== undefined)
  const sound = fc.record(fields, { requiredKeys: depth > 5 ? [] : required })
  const free = typeof node.additionalProperties === 'object' || node.additionalProperties === true
  if (!free) return sound
  const value = typeof node.additionalProperties === 'object' ? valueFor(node.additionalProperties, known, deviate, depth + 1) : anything
  return fc.tuple(sound, fc.dictionary(fc.string({ maxLength: 20 }), value, { maxKeys: 4 })).map(([a, b]) => ({ ...b, ...a }))
}

const formats: Readonly<Record<string, Arbitrary<string>>> = {
  'date-time': fc.date({ noInvalidDate: true }).map(date => date.toISOString()),
  uuid: fc.uuid({ version: 7 }),
  email: fc.emailAddress(),
  uri: fc.webUrl(),
}

function textOf(node: Schema, { rows }: Known): Arbitrary<string> {
  const id = rows.get(node['x-ref'] ?? '')
  const bounded = fc.string({
    minLength: Math.min(node.minLength ?? 0, 100),
    maxLength: Math.min(node.maxLength ?? 100, 200),
    unit: 'binary',
  })
  const format = formats[node.format ?? '']
  if (format) return id === undefined ? format : fc.oneof(format, fc.constant(id))
  if (node.pattern !== undefined) return fc.oneof(patternOf(node.pattern), bounded)
  return bounded
}

function patternOf(pattern: string): Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern))
  } catch {
    // Look-arounds and the like: fast-check cannot generate from those.
    return fc.string()
  }
}

export interface FuzzRequest {
  path: string
  body: string | undefined
}

/** Requests for an operation: what the contract asks for, bent in places. */
export function requestsOf(operation: Operation, known: Known): Arbitrary<FuzzRequest> {
  const params = operation.parameters.filter(one => one.in !== 'header')
  const values = fc.record(Object.fromEntries(params.map(({ name, schema }) => [name, valueFor(schema, known, 15)])))
  const present = fc.record(Object.fromEntries(params.map(({ name, required }) => [name, required ? fc.constant(true) : fc.boolean()])))
  const extra = fc.oneof({ weight: 9, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.string().map(one => `${encode(one)}=1`) })
  const body = operation.body
    ? fc.oneof(
        { weight: 6, arbitrary: valueFor(operation.body.schema, known, 4).map(value => JSON.stringify(value)) },
        { weight: 3, arbitrary: valueFor(operation.body.schema, known, 20).map(value => JSON.stringify(value)) },
        { weight: 1, arbitrary: fc.string() },
      )
    : fc.constant(undefined)
  return fc.tuple(values, present, extra, body).map(([given, there, more, sent]) => ({
    path: pathOf(operation, given as Record<string, unknown>, there as Record<string, boolean>, more),
    body: sent,
  }))
}

function pathOf(operation: Operation, given: Record<string, unknown>, there: Record<string, boolean>, more: string): string {
  // An empty segment is another path, which is not what this is about.
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encode(asText(given[name])) || '%20')
  const query = operation.parameters.flatMap(({ name, in: where }) =>
    where === 'query' && there[name] ? [`${name}=${encode(asText(given[name]))}`] : [],
  )
  const all = [...query, ...(more === '' ? [] : [more])]
  return all.length > 0 ? `${path}?${all.join('&')}` : path
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).slice(0, 2_000)
const encode = (value: string): string => {
  const encoded = encodeURIComponent(value.toWellFormed())
  // A URL library would climb out of the path.
  return encoded === '.' || encoded === '..' ? '%20' : encoded
}

import { asObject, asUnion, discriminatorOf, literalsOf, refName, resolve, type Schema, type Schemas, typesOf } from './schema.ts'
import { key, literal } from './text.ts'

export interface ZodOptions {
  schemas: Schemas
  /** `strict` refuses unknown fields (public requests); `loose` drops them (RPC, so that versions can run side by side). */
  mode: 'strict' | 'loose'
  /** Text in front of a reference, or `lazy` when the target is not initialised yet. */
  reference(name: string): { code: string; lazy: boolean }
}

/** The validator of a schema as zod source text. Defaults are applied; optional is left to the property. */
export function zodOf(schema: Schema, options: ZodOptions): string {
  if (schema.$ref !== undefined) {
    const { code, lazy } = options.reference(refName(schema.$ref))
    return withDefault(lazy ? `z.lazy(() => ${code})` : code, schema)
  }
  return withDefault(core(schema, options), schema)
}

const withDefault = (code: string, schema: Schema): string =>
  schema.default === undefined ? code : `${code}.default(${literal(schema.default)})`
const withNull = (code: string, nullable: boolean): string => (nullable ? `${code}.nullable()` : code)

function core(schema: Schema, options: ZodOptions): string {
  const union = asUnion(schema)
  if (union) return withNull(unionOf(union.variants, options), union.nullable)
  if (schema.allOf) {
    const merged = asObject(schema, options.schemas)
    if (merged) return objectOf(merged, options)
    return schema.allOf.map(part => zodOf(part, options)).reduce((left, right) => `z.intersection(${left}, ${right})`)
  }
  const values = literalsOf(schema)
  if (values) return literals(values)
  const { types, nullable } = typesOf(schema)
  if (types.length === 0) return nullable ? 'z.null()' : 'z.unknown()'
  const codes = types.map(type => plain(type, schema, options))
  return withNull(codes.length === 1 ? (codes[0] ?? '') : `z.union([${codes.join(', ')}])`, nullable)
}

function literals(values: unknown[]): string {
  const strings = values.filter(value => value !== null)
  const code =
    strings.every(value => typeof value === 'string') && strings.length > 1
      ? `z.enum(${literal(strings)})`
      : `z.literal(${literal(strings.length === 1 ? strings[0] : strings)})`
  return withNull(code, strings.length < values.length)
}

function unionOf(variants: Schema[], options: ZodOptions): string {
  const codes = variants.map(variant => zodOf(variant, options))
  if (codes.length === 1) return codes[0] ?? ''
  const tag = discriminatorOf(variants, options.schemas)
  return tag === undefined ? `z.union([${codes.join(', ')}])` : `z.discriminatedUnion(${literal(tag)}, [${codes.join(', ')}])`
}

function plain(type: string, schema: Schema, options: ZodOptions): string {
  switch (type) {
    case 'string':
      return stringOf(schema)
    case 'integer':
      return `z.int()${bounds(schema)}`
    case 'number':
      return `z.number()${bounds(schema)}`
    case 'boolean':
      return 'z.boolean()'
    case 'array':
      return arrayOf(schema, options)
    case 'object':
      return schema.properties ? objectOf(schema, options) : recordOf(schema, options)
    default:
      throw new Error(`type ${type} is not supported`)
  }
}

const formats: Record<string, string> = {
  // Some clients write ids in capitals (RFC 9562, 4).
  uuid: 'z.uuid().toLowerCase()',
  'date-time': 'z.iso.datetime({ offset: true })',
  date: 'z.iso.date()',
  time: 'z.iso.time()',
  uri: 'z.url()',
  email: 'z.email()',
  ipv4: 'z.ipv4()',
  ipv6: 'z.ipv6()',
}

function stringOf(schema: Schema): string {
  let code = formats[schema.format ?? ''] ?? 'z.string()'
  if (schema.minLength !== undefined) code += `.min(${schema.minLength})`
  if (schema.maxLength !== undefined) code += `.max(${schema.maxLength})`
  if (schema.pattern !== undefined) code += `.regex(new RegExp(${literal(schema.pattern)}, 'u'))`
  return code
}

function bounds(schema: Schema): string {
  let code = ''
  if (schema.minimum !== undefined) code += `.min(${schema.minimum})`
  if (schema.maximum !== undefined) code += `.max(${schema.maximum})`
  if (schema.exclusiveMinimum !== undefined) code += `.gt(${schema.exclusiveMinimum})`
  if (schema.exclusiveMaximum !== undefined) code += `.lt(${schema.exclusiveMaximum})`
  if (schema.multipleOf !== undefined) code += `.multipleOf(${schema.multipleOf})`
  return code
}

function arrayOf(schema: Schema, options: ZodOptions): string {
  let code = `z.array(${zodOf(schema.items ?? {}, options)})`
  if (schema.minItems !== undefined) code += `.min(${schema.minItems})`
  if (schema.maxItems !== undefined) code += `.max(${schema.maxItems})`
  if (schema.uniqueItems) {
    code += `.refine((list) => new Set(list.map((item) => JSON.stringify(item))).size === list.length, { params: { rule: 'uniqueItems', expected: 'no item twice' } })`
  }
  return code
}

function objectOf(schema: Schema, options: ZodOptions): string {
  const lines = Object.entries(schema.properties ?? {})
    .filter(([, property]) => options.mode === 'loose' || !property['x-internal'])
    .map(([name, property]) => `  ${key(name)}: ${propertyOf(property, schema.required?.includes(name) === true, options)},\n`)
  const shape = `{\n${lines.join('')}}`
  const extra = schema.additionalProperties
  if (extra === true) return `z.looseObject(${shape})`
  if (typeof extra === 'object') return `z.object(${shape}).catchall(${zodOf(extra, options)})`
  return `${options.mode === 'strict' ? 'z.strictObject' : 'z.object'}(${shape})`
}

/** A property: optional unless required or defaulted (zod takes a missing key for a defaulted one by itself). */
function propertyOf(property: Schema, required: boolean, options: ZodOptions): string {
  const code = zodOf(property, options)
  const defaulted = resolve(property, options.schemas).default !== undefined
  return required || defaulted ? code : `${code}.optional()`
}

function recordOf(schema: Schema, options: ZodOptions): string {
  const values = typeof schema.additionalProperties === 'object' ? zodOf(schema.additionalProperties, options) : 'z.unknown()'
  let code = `z.record(${schema.propertyNames ? stringOf(schema.propertyNames) : 'z.string()'}, ${values})`
  if (schema.maxProperties !== undefined) code += sizeRule('maxProperties', '<=', schema.maxProperties)
  if (schema.minProperties !== undefined) code += sizeRule('minProperties', '>=', schema.minProperties)
  return code
}

const sizeRule = (rule: string, operator: string, limit: number): string =>
  `.refine((map) => Object.keys(map).length ${operator} ${limit}, { params: { rule: '${rule}', expected: '${limit}' } })`

/** The validator of a query parameter: its text is turned into what the schema wants first. */
export function queryZodOf(schema: Schema, options: ZodOptions): string {
  const s = resolve(schema, options.schemas)
  const { types } = typesOf(s)
  const { default: value, ...bare } = s
  const code = core(bare, options)
  const coerced = coercion(types[0] ?? 'string', s, options)
  const wrapped = coerced === undefined ? code : `z.preprocess(${coerced}, ${code})`
  return value === undefined ? wrapped : `${wrapped}.default(${literal(value)})`
}

function coercion(type: string, schema: Schema, options: ZodOptions): string | undefined {
  if (type === 'integer' || type === 'number') return 'toNumber'
  if (type === 'boolean') return 'toBoolean'
  if (type !== 'array') return undefined
  const item = typesOf(resolve(schema.items ?? {}, options.schemas)).types[0]
  if (item === 'integer' || item === 'number') return 'toNumbers'
  return 'toList'
}

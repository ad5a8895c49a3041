import { asObject, asUnion, literalsOf, refName, resolve, type Schema, type Schemas, typesOf } from './schema.ts'
import { doc, key, literal } from './text.ts'

export interface TsOptions {
  schemas: Schemas
  /** Collects the names of referenced schemas, for the import line. */
  used: Set<string>
  /** Schemas with an outside view of their own: referred to as `<Name>Public`, their internal properties left out. */
  publicViews?: ReadonlySet<string>
  /** In front of every reference, for names imported as a namespace. */
  prefix?: string
  /** Whether a property with a default counts as optional, as it is for who sends it. */
  sending?: boolean
}

export const publicName = (name: string): string => `${name}Public`

/** The TypeScript type of a schema, references by name. */
export function tsType(schema: Schema, options: TsOptions): string {
  if (schema.$ref !== undefined) {
    const target = refName(schema.$ref)
    const name = options.publicViews?.has(target) ? publicName(target) : target
    options.used.add(name)
    return `${options.prefix ?? ''}${name}`
  }
  const union = asUnion(schema)
  if (union) return withNull(unique(union.variants.map(variant => tsType(variant, options))).join(' | '), union.nullable)
  if (schema.allOf) {
    const merged = asObject(schema, options.schemas)
    return merged ? inlineObject(merged, options) : schema.allOf.map(part => tsType(part, options)).join(' & ')
  }
  const values = literalsOf(schema)
  if (values) return values.map(value => literal(value)).join(' | ')
  const { types, nullable } = typesOf(schema)
  if (types.length === 0) return nullable ? 'null' : 'unknown'
  return withNull(types.map(type => plainType(type, schema, options)).join(' | '), nullable)
}

const unique = (items: string[]): string[] => [...new Set(items)]
const withNull = (type: string, nullable: boolean): string => (nullable ? `${type} | null` : type)

function plainType(type: string, schema: Schema, options: TsOptions): string {
  switch (type) {
    case 'integer':
    case 'number':
      return 'number'
    case 'array': {
      const item = tsType(schema.items ?? {}, options)
      return /[|&]/.test(item) ? `(${item})[]` : `${item}[]`
    }
    case 'object':
      return inlineObject(schema, options)
    default:
      return type
  }
}

const visible = (object: Schema, options: TsOptions): [string, Schema][] =>
  Object.entries(object.properties ?? {}).filter(([, property]) => !options.publicViews || !property['x-internal'])

function inlineObject(schema: Schema, options: TsOptions): string {
  if (!schema.properties) {
    const values = typeof schema.additionalProperties === 'object' ? tsType(schema.additionalProperties, options) : 'unknown'
    return `Record<string, ${values}>`
  }
  const fields = visible(schema, options).map(([name, property]) => member(name, property, schema, options))
  if (schema.additionalProperties === true) fields.push('[key: string]: unknown')
  return fields.length === 0 ? 'Record<string, never>' : `{ ${fields.join('; ')} }`
}

/** `name: type` or `name?: type`. A property with a default is always there once validated. */
function member(name: string, property: Schema, owner: Schema, options: TsOptions): string {
  const defaulted = !options.sending && resolve(property, options.schemas).default !== undefined
  const there = owner.required?.includes(name) || defaulted
  return `${key(name)}${there ? '' : '?'}: ${tsType(property, options)}`
}

/** An exported declaration: an interface for objects, an alias for everything else. */
export function tsDeclaration(name: string, schema: Schema, options: TsOptions): string {
  const comment = doc(schema.description ?? '')
  const object = schema.$ref === undefined ? asObject(schema, options.schemas) : undefined
  if (!object || object.additionalProperties === true) return `${comment}export type ${name} = ${tsType(schema, options)}\n`
  return `${comment}export interface ${name} ${tsBlock(object, options)}\n`
}

/** The braces of an interface, one documented property per line. */
export function tsBlock(object: Schema, options: TsOptions): string {
  const lines = visible(object, options).map(
    ([name, property]) => `${doc(property.description ?? '', '  ')}  ${member(name, property, object, options)}\n`,
  )
  return `{\n${lines.join('')}}`
}

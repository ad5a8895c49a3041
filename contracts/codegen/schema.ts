import { escapeStep, type Json } from './json.ts'

/** The part of JSON Schema 2020-12 that contracts may use, with our extensions. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  const?: Json
  enum?: Json[]
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  multipleOf?: number
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  propertyNames?: Schema
  minProperties?: number
  maxProperties?: number
  items?: Schema
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
  oneOf?: Schema[]
  anyOf?: Schema[]
  allOf?: Schema[]
  discriminator?: { propertyName: string; mapping?: Record<string, string> }
  default?: Json
  description?: string
  example?: Json
  'x-ref'?: string
  'x-internal'?: boolean
  'x-secret'?: boolean
}

/** Where named schemas are found. */
export type Schemas = ReadonlyMap<string, Schema>

export const refName = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1)

/** Follows `$ref`; siblings of the reference win over the target. */
export function resolve(schema: Schema, schemas: Schemas): Schema {
  if (schema.$ref === undefined) return schema
  const target = schemas.get(refName(schema.$ref))
  if (!target) throw new Error(`schema ${schema.$ref} is not defined`)
  const { $ref: _, ...siblings } = schema
  return { ...resolve(target, schemas), ...siblings }
}

/** The object form of a schema: references followed, `allOf` merged. Undefined when it is no object with known properties. */
export function asObject(schema: Schema, schemas: Schemas): Schema | undefined {
  const s = resolve(schema, schemas)
  if (s.allOf) {
    const parts = s.allOf.map(part => asObject(part, schemas))
    if (s.properties) parts.push({ type: 'object', properties: s.properties, required: s.required })
    if (parts.some(part => part === undefined)) return undefined
    return mergeObjects(parts as Schema[], s)
  }
  if (s.oneOf || s.anyOf) return undefined
  return s.type === 'object' && s.properties ? s : undefined
}

function mergeObjects(parts: Schema[], outer: Schema): Schema {
  const closed = parts.some(part => part.additionalProperties === false)
  const properties: Record<string, Schema> = {}
  for (const part of parts) Object.assign(properties, part.properties)
  return {
    type: 'object',
    properties,
    required: [...new Set(parts.flatMap(part => part.required ?? []))],
    ...(closed && { additionalProperties: false }),
    ...(outer.description && { description: outer.description }),
  }
}

/** The variants of a union without `null`, and whether `null` is one of them. Undefined when the schema is no union. */
export function asUnion(schema: Schema): { variants: Schema[]; nullable: boolean } | undefined {
  const all = schema.oneOf ?? schema.anyOf
  if (!all) return undefined
  const variants = all.filter(variant => variant.type !== 'null')
  return { variants, nullable: variants.length < all.length }
}

/** The types of a schema without `null`, and whether `null` is allowed. */
export function typesOf(schema: Schema): { types: string[]; nullable: boolean } {
  const all = schema.type === undefined ? [] : [schema.type].flat()
  return { types: all.filter(type => type !== 'null'), nullable: all.includes('null') }
}

/** The values that a property admits by `const` or `enum`. */
export const literalsOf = (schema: Schema): Json[] | undefined => ('const' in schema ? [schema.const as Json] : schema.enum)

/** The property that tells the variants of a union apart: each variant is an object that fixes it to values of its own. */
export function discriminatorOf(variants: Schema[], schemas: Schemas): string | undefined {
  if (variants.length < 2) return undefined
  const objects = variants.map(variant => asObject(variant, schemas))
  const first = objects[0]?.properties
  if (!first) return undefined
  return Object.keys(first).find(name => {
    const seen = new Set<Json>()
    return objects.every(object => {
      const property = object?.properties?.[name]
      const values = property && object?.required?.includes(name) ? literalsOf(resolve(property, schemas)) : undefined
      if (!values || values.some(value => seen.has(value))) return false
      for (const value of values) seen.add(value)
      return true
    })
  })
}

/** Direct children of a schema, each with the JSON pointer step that leads to it (`*` for items and map values). */
export function children(schema: Schema): [step: string, child: Schema][] {
  const list: [string, Schema][] = Object.entries(schema.properties ?? {})
  if (schema.items) list.push(['*', schema.items])
  if (typeof schema.additionalProperties === 'object') list.push(['*', schema.additionalProperties])
  for (const part of [...(schema.allOf ?? []), ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])]) list.push(['', part])
  return list
}

/** Names of all schemas reachable from `roots`, the roots' own references included. */
export function reachable(roots: Iterable<Schema>, schemas: Schemas): Set<string> {
  const names = new Set<string>()
  const visit = (schema: Schema): void => {
    if (schema.$ref !== undefined) {
      const name = refName(schema.$ref)
      if (names.has(name)) return
      names.add(name)
      const target = schemas.get(name)
      if (target) visit(target)
    }
    for (const [, child] of children(schema)) visit(child)
  }
  for (const root of roots) visit(root)
  return names
}

export interface Place {
  /** JSON pointer with `*` for every element. */
  path: string
  schema: Schema
}

/** Every place in a schema, references followed, each recursion entered once. */
export function places(schema: Schema, schemas: Schemas): Place[] {
  const found: Place[] = []
  const visit = (node: Schema, path: string, open: readonly string[]): void => {
    const name = node.$ref && refName(node.$ref)
    if (name && open.includes(name)) return
    const next = name ? [...open, name] : open
    const s = resolve(node, schemas)
    found.push({ path, schema: s })
    for (const [step, child] of children(s)) visit(child, step === '' ? path : `${path}/${escapeStep(step)}`, next)
  }
  visit(schema, '', [])
  return found
}

/** A copy of a schema with `change` applied to it and to everything below, innermost first. */
export function mapSchema(schema: Schema, change: (schema: Schema) => Schema): Schema {
  const visit = (child: Schema): Schema => mapSchema(child, change)
  const copy: Schema = { ...schema }
  if (schema.properties)
    copy.properties = Object.fromEntries(Object.entries(schema.properties).map(([name, child]) => [name, visit(child)]))
  if (schema.items) copy.items = visit(schema.items)
  if (typeof schema.additionalProperties === 'object') copy.additionalProperties = visit(schema.additionalProperties)
  for (const word of ['allOf', 'oneOf', 'anyOf'] as const) if (schema[word]) copy[word] = schema[word].map(visit)
  return change(copy)
}

/** The schema as the outside sees it: properties marked `x-internal` are gone. */
export const publicSchema = (schema: Schema): Schema =>
  mapSchema(schema, node => {
    if (!node.properties) return node
    const kept = Object.entries(node.properties).filter(([, property]) => !property['x-internal'])
    if (kept.length === Object.keys(node.properties).length) return node
    const names = new Set(kept.map(([name]) => name))
    return {
      ...node,
      properties: Object.fromEntries(kept),
      ...(node.required && { required: node.required.filter(name => names.has(name)) }),
    }
  })

/** Names of the schemas that hold an `x-internal` property, directly or through what they refer to. */
export function schemasWithInternals(schemas: Schemas): Set<string> {
  const found = new Set<string>()
  for (const name of schemas.keys()) {
    const all = [name, ...reachable([schemas.get(name) ?? {}], schemas)]
    if (all.some(one => hasInternal(schemas.get(one) ?? {}))) found.add(name)
  }
  return found
}

const hasInternal = (schema: Schema): boolean =>
  children(schema).some(([, child]) => child['x-internal'] === true || (child.$ref === undefined && hasInternal(child)))

import type { Problem } from './document.ts'
import type { Model } from './model.ts'
import { asUnion, discriminatorOf, type Place, places, reachable, resolve, type Schema, typesOf } from './schema.ts'

/** Rules about schemas: only known words, snake_case, references on every id, and bounds on everything a request may carry. */
export function schemaRules(model: Model): Problem[] {
  return [...definitionRules(model), ...requestRules(model), ...secretRules(model), ...unusedRules(model)]
}

const words = new Set([
  '$ref',
  'type',
  'const',
  'enum',
  'format',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'properties',
  'required',
  'additionalProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
  'items',
  'minItems',
  'maxItems',
  'uniqueItems',
  'oneOf',
  'anyOf',
  'allOf',
  'discriminator',
  'default',
  'title',
  'description',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'x-ref',
  'x-internal',
  'x-secret',
])

/** Everything written in a schema itself, references not followed. */
function ownPlaces(schema: Schema, path = ''): Place[] {
  const found: Place[] = [{ path, schema }]
  for (const [name, child] of Object.entries(schema.properties ?? {})) found.push(...ownPlaces(child, `${path}/${name}`))
  if (schema.items) found.push(...ownPlaces(schema.items, `${path}/*`))
  if (typeof schema.additionalProperties === 'object') found.push(...ownPlaces(schema.additionalProperties, `${path}/*`))
  for (const word of ['allOf', 'oneOf', 'anyOf'] as const) for (const part of schema[word] ?? []) found.push(...ownPlaces(part, path))
  return found
}

/** Schemas with a place in a file: named ones, messages' payloads and parameters. */
function definitions(model: Model): { file: string; where: string; schema: Schema }[] {
  const named = [...model.schemaOwner].map(([name, { file }]) => ({ file, where: `schema ${name}`, schema: model.schemas.get(name) ?? {} }))
  const fields = model.operations.flatMap(operation =>
    [...operation.path, ...operation.query].map(field => ({
      file: operation.file,
      where: `${operation.id} parameter`,
      schema: { type: 'object', properties: { [field.name]: field.schema } } as Schema,
    })),
  )
  const bodies = model.operations.flatMap(operation =>
    [operation.body?.schema, operation.output].flatMap(schema =>
      schema && schema.$ref === undefined ? [{ file: operation.file, where: operation.id, schema }] : [],
    ),
  )
  return [...named, ...fields, ...bodies]
}

function definitionRules(model: Model): Problem[] {
  const problems: Problem[] = []
  const seen = new Set<string>()
  for (const { file, where, schema } of definitions(model)) {
    for (const { path, schema: node } of ownPlaces(schema)) {
      for (const message of [...wordRules(node), ...objectRules(node, model), ...unionRules(node, model)]) {
        const text = `${where}${path}: ${message}`
        if (seen.has(text)) continue
        seen.add(text)
        problems.push({ file, where: `${where} ${path}`.trim(), message })
      }
    }
  }
  return problems
}

function wordRules(node: Schema): string[] {
  const unknown = Object.keys(node).filter(word => !words.has(word))
  const types = typesOf(node).types.filter(type => !['string', 'integer', 'number', 'boolean', 'array', 'object', 'null'].includes(type))
  return [
    ...unknown.map(word => `the generator does not know the word ${word}`),
    ...types.map(type => `the generator does not know the type ${type}`),
  ]
}

function objectRules(node: Schema, model: Model): string[] {
  const messages: string[] = []
  const names = Object.keys(node.properties ?? {})
  for (const name of node.required ?? [])
    if (node.properties && !names.includes(name)) messages.push(`required names ${name}, which is no property`)
  for (const name of names) {
    if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)) messages.push(`property ${name} is not snake_case`)
    const property = node.properties?.[name]
    if (property) messages.push(...refRules(name, property, model))
  }
  return messages
}

/** Everything that holds the id of a resource says of which. */
function refRules(name: string, property: Schema, model: Model): string[] {
  const s = resolve(property, model.schemas)
  const target = s.items ? resolve(s.items, model.schemas) : s
  const ref = target['x-ref']
  if (ref === undefined) {
    const isId =
      name === 'id'
        ? target.format === 'uuid'
        : /_ids?$/.test(name) && (typesOf(target).types.includes('string') || target.format === 'uuid')
    return isId ? [`${name} needs x-ref: <resource>, or x-ref: none when it is the id of no resource`] : []
  }
  if (ref === 'none' || model.resources.has(ref)) return []
  return [`x-ref names ${ref}, but no schema of that name exists`]
}

function unionRules(node: Schema, model: Model): string[] {
  const union = asUnion(node)
  if (!union || union.variants.length < 2) return []
  const objects = union.variants.filter(variant => {
    const s = resolve(variant, model.schemas)
    return s.type === 'object' || s.allOf !== undefined
  })
  if (objects.length < 2 || discriminatorOf(union.variants, model.schemas) !== undefined) return []
  return ['each object of a oneOf needs a required property with a const or enum of its own']
}

/** What a public request may carry is bounded and closed. */
function requestRules(model: Model): Problem[] {
  const problems: Problem[] = []
  const seen = new Set<string>()
  for (const operation of model.operations) {
    if (operation.kind !== 'public') continue
    const roots: [string, Schema][] = [...operation.path, ...operation.query].map(field => [`/${field.name}`, field.schema])
    if (operation.body) roots.push(['', operation.body.schema])
    for (const [base, root] of roots) {
      for (const { path, schema } of places(root, model.schemas)) {
        for (const message of boundRules(schema)) {
          const key = `${operation.service}${path}${message}`
          if (seen.has(key)) continue
          seen.add(key)
          problems.push({ file: operation.file, where: `${operation.id} ${base}${path}`, message })
        }
      }
    }
  }
  return problems
}

const boundedFormats = ['uuid', 'date-time', 'date', 'time', 'ipv4', 'ipv6']

function boundRules(schema: Schema): string[] {
  if (schema.enum || 'const' in schema || schema.oneOf || schema.anyOf || schema.allOf) return []
  const { types } = typesOf(schema)
  const messages: string[] = []
  if (types.includes('string') && schema.maxLength === undefined && !boundedFormats.includes(schema.format ?? ''))
    messages.push('a string in a request needs maxLength')
  if ((types.includes('integer') || types.includes('number')) && schema.maximum === undefined && schema.exclusiveMaximum === undefined)
    messages.push('a number in a request needs maximum')
  if (types.includes('array') && schema.maxItems === undefined) messages.push('an array in a request needs maxItems')
  if (types.includes('object')) {
    if (schema.properties && schema.additionalProperties === undefined)
      messages.push('an object in a request needs additionalProperties: false')
    if (!schema.properties && schema.maxProperties === undefined) messages.push('a map in a request needs maxProperties')
  }
  return messages
}

/** Secrets are shown once, in an answer; an event would repeat them to everybody. */
function secretRules(model: Model): Problem[] {
  return model.events.flatMap(event => {
    if (event.internal) return []
    const secrets = places(event.data, model.schemas).filter(
      place => place.schema['x-secret'] === true && place.schema['x-internal'] !== true,
    )
    return secrets.map(({ path }) => ({
      file: event.file,
      where: `event ${event.type} ${path}`,
      message: 'a public event must not carry a secret',
    }))
  })
}

/** A schema that nothing leads to is left over. */
function unusedRules(model: Model): Problem[] {
  const roots: Schema[] = [
    ...model.operations.flatMap(operation => [
      operation.body?.schema,
      operation.output,
      ...operation.path.map(f => f.schema),
      ...operation.query.map(f => f.schema),
    ]),
    ...model.events.map(event => event.data),
  ].filter(schema => schema !== undefined)
  const used = reachable(roots, model.schemas)
  for (const { schema } of model.resources.values()) used.add(schema)
  return [...model.schemaOwner]
    .filter(([name, { service }]) => !used.has(name) && !['common', 'websocket', 'zmq'].includes(service))
    .map(([name, { file }]) => ({ file, where: `schema ${name}`, message: 'no operation and no event uses it' }))
}

import { boundsOf } from './bounds.ts'
import { bodyOf, exampleOf, requiredQuery } from './code-samples.ts'
import type { Model, PublicOperation } from './model.ts'
import { asObject, asUnion, literalsOf, resolve, type Schema, typesOf } from './schema.ts'
import { sdkResources } from './sdk.ts'
import { byName, header, key, literal, type Output } from './text.ts'

interface Field {
  name: string
  in: 'query' | 'body'
  type: string
  required?: true
  list?: true
  nullable?: true
  secret?: true
  values?: string[]
  text?: string
}

/** How deep the objects of a body become flags of their own; what is deeper is given as JSON. */
const deepest = 3

/** `sdk/commands.ts`: what the command `voipbin` offers and tells about every operation. The library does not import it. */
export function sdkCommandsFile(model: Model): Output {
  const groups = byName(sdkResources(model)).map(([resource, methods]) => {
    const rows = methods.map(({ name, operation }) => `    ${name}: ${literal(command(operation, model))},\n`)
    return `  ${key(resource)}: {\n${rows.join('')}  },\n`
  })
  const text = `${header}import type { Resources } from './resources.ts'

/** One value that a command takes as a flag. */
export interface CommandField {
  /** Dotted for a property of an object; \`*\` stands for the number of an item: \`destinations.*.target\`. */
  readonly name: string
  readonly in: 'query' | 'body'
  /** \`json\`: an object, a list of objects, or one of several shapes. */
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'json'
  readonly required?: true
  /** Given once for every item. */
  readonly list?: true
  readonly nullable?: true
  /** Better not among the arguments, which other programs see. */
  readonly secret?: true
  readonly values?: readonly string[]
  readonly text?: string
}

/** One operation. Its route is that of the client, in \`resources.ts\`. */
export interface Command {
  readonly summary: string
  readonly text?: string
  /** Absent when any credentials will do. */
  readonly permission?: string
  /** Names in the path, each with an example. */
  readonly path: readonly (readonly [name: string, example: string])[]
  readonly fields: readonly CommandField[]
  readonly needsBody?: true
  /** The contract's example of the body. */
  readonly body?: unknown
  /** An example of each query parameter that has to be there. */
  readonly query?: Readonly<Record<string, string | number>>
}

export const commands: { readonly [R in keyof Resources]: { readonly [M in keyof Resources[R]]: Command } } = {
${groups.join('')}}
`
  return { path: 'sdk/commands.ts', text }
}

function command(operation: PublicOperation, model: Model): object {
  const { summary, description, permission, body } = operation
  const query = requiredQuery(operation, model)
  const object = body && asObject(body.schema, model.schemas)
  return {
    summary,
    ...(description && { text: description.trim().replaceAll('\n', ' ') }),
    ...(!['public', 'authenticated'].includes(permission) && { permission }),
    path: operation.path.map(field => [field.name, exampleOf(field, model)]),
    fields: [
      ...operation.query.flatMap(({ name, schema, required }) => fieldsOf(schema, { name, in: 'query', required, model, depth: deepest })),
      ...propertiesOf(object, { name: '', in: 'body', required: true, model, depth: 0 }),
    ],
    ...(body?.required && { needsBody: true }),
    ...(body && { body: bodyOf(operation) }),
    ...(query.length > 0 && { query: Object.fromEntries(query) }),
  }
}

interface Place {
  name: string
  in: Field['in']
  required: boolean
  model: Model
  depth: number
}

const propertiesOf = (object: Schema | undefined, place: Place): Field[] =>
  Object.entries(object?.properties ?? {}).flatMap(([name, schema]) =>
    fieldsOf(schema, {
      ...place,
      name: place.name ? `${place.name}.${name}` : name,
      required: place.required && (object?.required ?? []).includes(name),
      depth: place.depth + 1,
    }),
  )

/** The flags of a schema: itself, and its properties while it is an object of one shape. */
function fieldsOf(schema: Schema, place: Place): Field[] {
  const { schemas } = place.model
  const s = resolve(schema, schemas)
  const union = asUnion(s)
  const only = union?.variants.length === 1 ? union.variants[0] : undefined
  if (only) return fieldsOf({ ...only, ...(s.description && { description: s.description }) }, place).map(markNullable(place.name))
  const items = typesOf(s).types.includes('array') ? resolve(s.items ?? {}, schemas) : undefined
  const object = asObject(items ?? s, schemas)
  const type = union || object ? 'json' : scalar(items ?? s)
  const values = literalsOf(items ?? s)?.filter(value => value !== null)
  const text = [s.description, boundsOf(s, schemas)].filter(Boolean).join(' ')
  const self: Field = {
    name: place.name,
    in: place.in,
    type,
    ...(place.required && { required: true }),
    ...(items && { list: true }),
    ...(typesOf(s).nullable && { nullable: true }),
    ...(s['x-secret'] && { secret: true }),
    ...(values && { values: values.map(String) }),
    ...(text && { text }),
  }
  if (!object || place.depth >= deepest) return [self]
  // Items are numbered, and whether there is a first one is for the platform to say.
  return [self, ...propertiesOf(object, items ? { ...place, name: `${place.name}.*`, required: false } : place)]
}

const markNullable =
  (name: string) =>
  (field: Field): Field =>
    field.name === name ? { ...field, nullable: true } : field

function scalar(schema: Schema): string {
  const [type = '', ...others] = typesOf(schema).types
  if (type === '' && literalsOf(schema)?.every(value => typeof value === 'string')) return 'string'
  return others.length === 0 && ['string', 'integer', 'number', 'boolean'].includes(type) ? type : 'json'
}

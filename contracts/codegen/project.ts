import type { Model } from './model.ts'
import {
  asObject,
  asUnion,
  discriminatorOf,
  literalsOf,
  publicSchema,
  reachable,
  refName,
  resolve,
  type Schema,
  schemasWithInternals,
  typesOf,
} from './schema.ts'
import { header, importLine, key, type Output, quote } from './text.ts'
import { publicName } from './ts.ts'

export const projectorName = (schema: string): string => `project${schema}`

const helpers = `
const each = (project, list) => (Array.isArray(list) ? list.map(project) : list)
const values = (project, map) => (isObject(map) ? Object.fromEntries(Object.entries(map).map(([name, value]) => [name, project(value)])) : map)
const maybe = (project, value) => (isObject(value) ? project(value) : value)
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value)
`

/**
 * `project.ts`: one function per schema that leaves only what the contract shows to the outside. Internal and unknown fields are dropped,
 * so a column added by a newer service never leaks through an older gateway.
 */
export function projectFile(model: Model): Output {
  const view = new Map([...model.schemas].map(([name, schema]) => [name, publicSchema(schema)]))
  const projector = new Projector(view)
  const roots = projectionRoots(model)
  const named = new Set(roots.flatMap(({ $ref }) => ($ref === undefined ? [] : [refName($ref)])))
  const names = [...reachable(roots, view)].filter(name => named.has(name) || projector.drops(name)).sort()
  const outside = schemasWithInternals(model.schemas)
  const parts = names.map(name => {
    const to = outside.has(name) ? publicName(name) : name
    return `export const ${projectorName(name)}: (value: ${name}) => ${to} = ${projector.definition(view.get(name) ?? {})}\n`
  })
  const imports = importLine([...names, ...names.filter(name => outside.has(name)).map(publicName)], './schemas.ts')
  return {
    path: 'project.ts',
    text: `${header}// @ts-nocheck: the annotations are what others see\n${imports}${helpers}\n${parts.join('')}`,
  }
}

/** Everything that leaves: answers of public operations and data of public events. */
const projectionRoots = (model: Model): Schema[] => [
  ...model.operations.flatMap(operation => (operation.kind === 'public' && operation.output ? [operation.output] : [])),
  ...model.events.filter(event => !event.internal).map(event => event.data),
]

/** Writes the projection of a schema as an expression. */
class Projector {
  readonly #schemas: ReadonlyMap<string, Schema>
  constructor(schemas: ReadonlyMap<string, Schema>) {
    this.#schemas = schemas
  }

  /** Whether a value of this schema may hold what has to be dropped. */
  drops(name: string): boolean {
    return !this.#isPlain({ $ref: name }, new Set())
  }

  /** A function from a value to its projection. */
  definition(schema: Schema): string {
    const object = schema.$ref === undefined ? asObject(schema, this.#schemas) : undefined
    if (object) return `(v) => (${this.#object(object, 'v')})`
    return `(v) => ${this.value(schema, 'v')}`
  }

  /** The projection of the value named by `access`; the same text when there is nothing to drop. */
  value(schema: Schema, access: string): string {
    if (schema.$ref !== undefined) {
      const name = refName(schema.$ref)
      return this.#isPlain(schema, new Set()) ? access : `maybe(${projectorName(name)}, ${access})`
    }
    if (this.#isPlain(schema, new Set())) return access
    const union = asUnion(schema)
    if (union) return this.#union(union.variants, access)
    if (typesOf(schema).types.includes('array')) return `each((v) => ${this.value(schema.items ?? {}, 'v')}, ${access})`
    const object = asObject(schema, this.#schemas)
    if (object) return `maybe((v) => (${this.#object(object, 'v')}), ${access})`
    if (typeof schema.additionalProperties === 'object') return `values((v) => ${this.value(schema.additionalProperties, 'v')}, ${access})`
    return access
  }

  #object(object: Schema, access: string): string {
    if (object.additionalProperties === true) return access
    const fields = Object.entries(object.properties ?? {}).map(([name, property]) => {
      const at = /^[A-Za-z_$][\w$]*$/.test(name) ? `${access}.${name}` : `${access}[${quote(name)}]`
      return `${key(name)}: ${this.value(property, at)}`
    })
    return `{ ${fields.join(', ')} }`
  }

  #union(variants: Schema[], access: string): string {
    const [only] = variants
    if (variants.length === 1 && only) return this.value(only, access)
    const tag = discriminatorOf(variants, this.#schemas)
    if (tag === undefined) {
      const objects = variants.map(variant => asObject(variant, this.#schemas)).filter(object => object !== undefined)
      const merged: Schema = { type: 'object', properties: Object.assign({}, ...objects.map(object => object.properties)) }
      return `maybe((v) => (${this.#object(merged, 'v')}), ${access})`
    }
    const rows = variants.flatMap(variant => {
      const property = asObject(variant, this.#schemas)?.properties?.[tag] ?? {}
      const values = literalsOf(resolve(property, this.#schemas)) ?? []
      const name = variant.$ref && refName(variant.$ref)
      const project = name && this.drops(name) ? projectorName(name) : this.definition(variant)
      return values.map(value => `${key(String(value))}: ${project}`)
    })
    return `maybe((v) => ({ ${rows.join(', ')} }[v.${tag}]?.(v) ?? { ${tag}: v.${tag} }), ${access})`
  }

  /** Whether nothing in a value of this schema could have to be dropped. */
  #isPlain(schema: Schema, open: Set<string>): boolean {
    if (schema.$ref !== undefined) {
      const name = refName(schema.$ref)
      if (open.has(name)) return true
      return this.#isPlain(this.#schemas.get(name) ?? {}, new Set([...open, name]))
    }
    if (schema.properties && schema.additionalProperties !== true) return false
    const parts = [schema.items, typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined]
    return [...parts, ...(schema.allOf ?? []), ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])].every(
      part => !part || this.#isPlain(part, open),
    )
  }
}

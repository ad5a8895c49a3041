import { type Document, type Operation, resolve, type Schema, sampleOf, typesOf } from './document.ts'

/** A request that must be refused with 400, and the field that the refusal must name. */
export interface BadRequest {
  what: string
  path: string
  /** JSON text; undefined for none. */
  body: string | undefined
  field: string
}

type Json = unknown
const deepest = 4

/** The path of an operation with sound values, and with the required query parameters. */
export function soundPath(operation: Operation, document: Document, values: Record<string, string> = {}): string {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
    const parameter = operation.parameters.find(one => one.in === 'path' && one.name === name)
    return encodeURIComponent(values[name] ?? sampleOf(parameter?.schema ?? {}, document))
  })
  const query = new URLSearchParams()
  for (const { name, in: where, required, schema } of operation.parameters) {
    if (where === 'query' && (required || values[name] !== undefined)) query.set(name, values[name] ?? sampleOf(schema, document))
  }
  return query.size > 0 ? `${path}?${query}` : path
}

/** Every bad request the contract of an operation suggests: each breaks one rule and is sound otherwise. */
export function badRequests(operation: Operation, document: Document): BadRequest[] {
  const path = soundPath(operation, document)
  const body = operation.body ? JSON.stringify(operation.body.example ?? {}) : undefined
  const found: BadRequest[] = [
    {
      what: 'an unknown query parameter',
      path: `${path}${path.includes('?') ? '&' : '?'}no_such_parameter=1`,
      body,
      field: '/no_such_parameter',
    },
  ]
  for (const { name, in: where, required, schema } of operation.parameters) {
    if (where === 'header') continue
    const node = resolve(schema, document)
    for (const bad of badTexts(node))
      found.push({
        what: `${where} ${name}: ${bad.what}`,
        path: soundPath(operation, document, { [name]: bad.value }),
        body,
        field: `/${name}`,
      })
    if (where === 'query' && required) found.push({ what: `query ${name} missing`, path: without(path, name), body, field: `/${name}` })
  }
  if (!operation.body) return found
  for (const { what, value, field } of badBodies(operation.body.schema, operation.body.example ?? {}, document))
    found.push({ what, path, body: JSON.stringify(value), field })
  return found
}

function without(path: string, name: string): string {
  const [base = '', text = ''] = path.split('?')
  const query = new URLSearchParams(text)
  query.delete(name)
  return query.size > 0 ? `${base}?${query}` : base
}

/** Texts a path or query parameter of this schema must not take. */
function badTexts(schema: Schema): { what: string; value: string }[] {
  const types = typesOf(schema)
  if (schema.format === 'uuid')
    return [
      { what: 'no uuid', value: 'not-a-uuid' },
      { what: 'a uuid and more', value: '01980000-0000-7000-8000-000000000001x' },
    ]
  if (schema.enum) return [{ what: 'not in the list', value: 'no_such_value' }]
  if (types.includes('integer') || types.includes('number')) {
    const over = schema.maximum === undefined ? [] : [{ what: 'over the maximum', value: String(schema.maximum + 1) }]
    const under = schema.minimum === undefined ? [] : [{ what: 'under the minimum', value: String(schema.minimum - 1) }]
    return [{ what: 'no number', value: 'many' }, ...over, ...under]
  }
  if (types.includes('boolean')) return [{ what: 'no boolean', value: 'perhaps' }]
  if (schema.format === 'date-time') return [{ what: 'no time', value: 'yesterday' }]
  if (schema.maxLength !== undefined && schema.maxLength < 2_000) return [{ what: 'too long', value: 'x'.repeat(schema.maxLength + 1) }]
  return []
}

interface BadBody {
  what: string
  value: Json
  field: string
}

/** The example with one thing wrong, for every property it holds and every rule of the schema. */
export function badBodies(schema: Schema, example: Json, document: Document): BadBody[] {
  const wrong: BadBody[] = [
    { what: 'body: an array', value: [], field: '' },
    { what: 'body: a text', value: 'text', field: '' },
  ]
  walk({ schema, value: example, pointer: '', depth: 0, document }, (what, value, field) => wrong.push({ what, value, field }))
  return wrong
}

interface Place {
  schema: Schema
  value: Json
  pointer: string
  depth: number
  document: Document
}
type Report = (what: string, value: Json, field: string) => void

/** Calls `report` with bad versions of the value at this place; whoever called puts them back into the whole. */
function walk({ schema, value, pointer, depth, document }: Place, report: Report): void {
  const node = resolve(schema, document)
  if (depth > deepest || node.oneOf || node.anyOf) return
  if (isObject(value) && node.properties) walkObject({ schema: node, value, pointer, depth, document }, report)
  else if (Array.isArray(value) && node.items) {
    if (node.maxItems !== undefined && node.maxItems <= 500 && value.length > 0)
      report(
        `${pointer}: too many items`,
        Array.from({ length: node.maxItems + 1 }, () => value[0]),
        pointer,
      )
    if (value.length > 0)
      walk({ schema: node.items, value: value[0], pointer: `${pointer}/0`, depth: depth + 1, document }, (what, bad, field) =>
        report(what, [bad, ...value.slice(1)], field),
      )
  }
}

function walkObject({ schema, value, pointer, depth, document }: Place & { value: Record<string, Json> }, report: Report): void {
  if (schema.additionalProperties === false)
    report(`${pointer}: an unknown field`, { ...value, no_such_field: 1 }, `${pointer}/no_such_field`)
  for (const name of schema.required ?? []) {
    const { [name]: _gone, ...rest } = value
    report(`${pointer}/${name}: missing`, rest, `${pointer}/${name}`)
  }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const at = `${pointer}/${name}`
    const node = resolve(property, document)
    for (const bad of badValues(node)) report(`${at}: ${bad.what}`, { ...value, [name]: bad.value }, at)
    if (value[name] !== undefined)
      walk({ schema: property, value: value[name], pointer: at, depth: depth + 1, document }, (what, bad, field) =>
        report(what, { ...value, [name]: bad }, field),
      )
  }
}

/** Values a property of this schema must not take. Unions are left alone: what is wrong for one variant may be right for another. */
function badValues(schema: Schema): { what: string; value: Json }[] {
  if (schema.oneOf || schema.anyOf) return []
  const types = typesOf(schema)
  const bad: { what: string; value: Json }[] = []
  if (types.length > 0) bad.push({ what: 'a wrong type', value: types.includes('object') || types.includes('array') ? 7 : { wrong: true } })
  if (types.length > 0 && !types.includes('null')) bad.push({ what: 'null', value: null })
  if (schema.enum || schema.const !== undefined) return [...bad, { what: 'not in the list', value: 'no_such_value' }]
  if (schema.format === 'uuid') bad.push({ what: 'no uuid', value: 'not-a-uuid' })
  if (schema.maxLength !== undefined && schema.maxLength <= 10_000) bad.push({ what: 'too long', value: 'x'.repeat(schema.maxLength + 1) })
  if (schema.minLength !== undefined && schema.minLength > 0) bad.push({ what: 'too short', value: '' })
  if (schema.maximum !== undefined) bad.push({ what: 'over the maximum', value: schema.maximum + 1 })
  if (schema.minimum !== undefined) bad.push({ what: 'under the minimum', value: schema.minimum - 1 })
  return bad
}

const isObject = (value: Json): value is Record<string, Json> => typeof value === 'object' && value !== null && !Array.isArray(value)

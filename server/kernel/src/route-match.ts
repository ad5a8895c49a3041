import type { CallRow, MethodRow } from './contract.ts'
import { generalError } from './errors.ts'

type Fields = Record<string, unknown>

/** What of an input travels where. */
export interface RoutedInput {
  /** Path with its parameters filled in, and the query. */
  route: string
  /** The fields that are neither in the path nor in the query; `null` when there are none. */
  body: Fields | null
}

const parameter = /\{([a-z0-9_]+)\}/gi

/** Splits `/v1/calls/{id}/hangup` into its texts and its names: there is always one text more than names. */
function parseTemplate(template: string) {
  const names = [...template.matchAll(parameter)].map(match => match[1] as string)
  return { names, texts: template.split(/\{[a-z0-9_]+\}/i) }
}

const missing = (field: string) =>
  generalError('INVALID_ARGUMENT', {
    message: `${field} is missing`,
    details: [{ field: `/${field}`, rule: 'required' }],
  })

function fill(texts: readonly string[], names: readonly string[], input: Fields, encode: (value: string) => string): string {
  let out = texts[0] ?? ''
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string
    const value = input[name]
    if (value === undefined || value === null || value === '') throw missing(name)
    out += encode(String(value)) + texts[i + 1]
  }
  return out
}

/** Compiles where an operation's input goes on the wire. Lists in the query travel as `name[]=a&name[]=b`, so that one element stays a list. */
export function compileRoute(row: Pick<CallRow, 'route' | 'query'>): (input: object) => RoutedInput {
  const { names, texts } = parseTemplate(row.route)
  const outside = new Set([...names, ...row.query])
  return input => {
    const fields = input as Fields
    let route = names.length === 0 ? row.route : fill(texts, names, fields, encodeURIComponent)
    if (row.query.length > 0) {
      const query = encodeQuery(row.query, fields)
      if (query !== '') route += `?${query}`
    }
    if (outside.size === 0) return { route, body: fields }
    let body: Fields | null = null
    for (const name in fields) {
      if (outside.has(name)) continue
      body ??= {}
      body[name] = fields[name]
    }
    return { route, body }
  }
}

function encodeQuery(names: readonly string[], input: Fields): string {
  let out = ''
  for (const name of names) {
    const value = input[name]
    if (value === undefined || value === null) continue
    const list = Array.isArray(value)
    for (const item of list ? value : [value]) {
      const text = typeof item === 'object' && item !== null ? JSON.stringify(item) : String(item)
      out += `${out === '' ? '' : '&'}${name}${list ? '[]' : ''}=${encodeURIComponent(text)}`
    }
  }
  return out
}

/** Fills the one parameter a queue name may have: `bin-manager.asterisk.{asterisk_id}.request`. */
export function compileQueue(queue: string): (input: object) => string {
  const { names, texts } = parseTemplate(queue)
  return names.length === 0 ? () => queue : input => fill(texts, names, input as Fields, value => value)
}

export interface Matched<T> {
  readonly row: T
  /** Path and query fields, still text. */
  readonly fields: Fields
}

interface Node<T> {
  texts: Map<string, Node<T>>
  any: Node<T> | undefined
  /** HTTP method -> row, with the names of the parameters on the way here. */
  rows: Map<string, { row: T; names: readonly string[] }>
}
const node = <T>(): Node<T> => ({ texts: new Map(), any: undefined, rows: new Map() })

/** Finds the row of a wire route in time that depends on its length only. A fixed segment wins over a parameter. */
export function buildMatcher<T extends Pick<MethodRow, 'method' | 'route'>>(rows: Iterable<T>) {
  const root = node<T>()
  for (const row of rows) {
    let at = root
    for (const segment of row.route.split('/')) {
      if (segment.startsWith('{')) {
        at.any ??= node()
        at = at.any
      } else {
        let next = at.texts.get(segment)
        if (!next) {
          next = node()
          at.texts.set(segment, next)
        }
        at = next
      }
    }
    if (at.rows.has(row.method)) throw new Error(`two operations share ${row.method} ${row.route}`)
    at.rows.set(row.method, { row, names: parseTemplate(row.route).names })
  }
  return (method: string, route: string): Matched<T> | undefined => {
    const mark = route.indexOf('?')
    const segments = (mark === -1 ? route : route.slice(0, mark)).split('/')
    const values: string[] = []
    const found = walk(root, segments, 0, values, method)
    if (!found) return undefined
    const fields: Fields = mark === -1 ? {} : decodeQuery(route.slice(mark + 1))
    for (let i = 0; i < found.names.length; i++) fields[found.names[i] as string] = decodeURIComponent(values[i] as string)
    return { row: found.row, fields }
  }
}

function walk<T>(
  at: Node<T>,
  segments: string[],
  i: number,
  values: string[],
  method: string,
): { row: T; names: readonly string[] } | undefined {
  if (i === segments.length) return at.rows.get(method)
  const segment = segments[i] as string
  const next = at.texts.get(segment)
  const found = next && walk(next, segments, i + 1, values, method)
  if (found) return found
  if (!at.any || segment === '') return undefined
  values.push(segment)
  const deeper = walk(at.any, segments, i + 1, values, method)
  if (!deeper) values.pop()
  return deeper
}

function decodeQuery(query: string): Fields {
  const fields: Fields = {}
  for (const [name, value] of new URLSearchParams(query)) {
    if (!name.endsWith('[]')) {
      fields[name] = value
      continue
    }
    const key = name.slice(0, -2)
    const list = fields[key]
    if (Array.isArray(list)) list.push(value)
    else fields[key] = [value]
  }
  return fields
}

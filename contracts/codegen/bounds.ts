import { resolve, type Schema, type Schemas } from './schema.ts'

const number = (value: number): string => value.toLocaleString('en-US')

/** The range of a schema in words, for docstrings: `1 to 300.`, `At most 255 characters.` Empty when there is none. */
export function boundsOf(schema: Schema, schemas: Schemas): string {
  const s = resolve(schema, schemas)
  const parts = [
    range(s.minimum, s.maximum),
    range(s.minLength, s.maxLength, 'character'),
    range(s.minItems, s.maxItems, 'item'),
    range(s.minProperties, s.maxProperties, 'entry', 'entries'),
  ]
  return parts
    .filter(Boolean)
    .map(part => `${part}.`)
    .join(' ')
}

function range(least: number | undefined, most: number | undefined, one = '', many = `${one}s`): string {
  const unit = (count: number): string => (one ? ` ${count === 1 ? one : many}` : '')
  if (most !== undefined && least === most) return `Exactly ${number(most)}${unit(most)}`
  if (most !== undefined && least !== undefined && (one === '' || least > 0)) return `${number(least)} to ${number(most)}${unit(most)}`
  if (most !== undefined) return `At most ${number(most)}${unit(most)}`
  if (least !== undefined && (one === '' || least > 0)) return `At least ${number(least)}${unit(least)}`
  return ''
}

/** Adds the range to the description of every schema of a document, because types made of it do not show it. */
export function describeBounds(node: unknown): void {
  if (node === null || typeof node !== 'object') return
  if (!Array.isArray(node)) {
    const schema = node as Schema
    const bounds = typeof schema.type === 'string' || Array.isArray(schema.type) ? boundsOf(schema, new Map()) : ''
    if (bounds) schema.description = [schema.description, bounds].filter(Boolean).join(' ')
  }
  for (const child of Object.values(node)) describeBounds(child)
}

/** Flow variables: a flat map of strings, read in action options as `${name}`. Unknown names read as the empty string. */
export type Variables = Readonly<Record<string, string>>

const reference = /\$\{([^}]*)\}/g
/** What one action's options may grow to, in characters: more than any field takes, less than a map of long values could make of it. */
const maxFilled = 262_144

/** The options grew beyond what any action takes. */
export class FilledTooLarge extends Error {
  constructor() {
    super(`the options are longer than ${maxFilled} characters once their variables are filled in`)
    this.name = 'FilledTooLarge'
  }
}

/** Fills every `${name}` in the strings of `value`, however deep; everything else passes unchanged. Throws FilledTooLarge. */
export function substitute<T>(value: T, variables: Variables): T {
  return walk(value, { variables, left: maxFilled }) as T
}

export const readVariable = (variables: Variables, name: string): string => (Object.hasOwn(variables, name) ? (variables[name] ?? '') : '')

interface Fill {
  readonly variables: Variables
  left: number
}

function walk(value: unknown, fill: Fill): unknown {
  if (typeof value === 'string') return value.replace(reference, (_, name: string) => take(fill, readVariable(fill.variables, name.trim())))
  if (Array.isArray(value)) return value.map(item => walk(item, fill))
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, fill)]))
  return value
}

function take(fill: Fill, text: string): string {
  fill.left -= text.length
  if (fill.left < 0) throw new FilledTooLarge()
  return text
}

/** Names that begin so belong to the platform. */
const reserved = 'voipbin.'
export const isReserved = (name: string): boolean => name.startsWith(reserved)

const maxBytes = 65_536

/** Whether a run's own variables (those that are not the platform's) are larger than 64 KiB in all, names and values in UTF-8. */
export function isTooLarge(variables: Variables): boolean {
  let bytes = 0
  for (const [name, value] of Object.entries(variables)) if (!isReserved(name)) bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
  return bytes > maxBytes
}

const nameRule = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/
/** The first name that could not be written as `${name}`. */
export const badName = (variables: Variables): string | undefined => Object.keys(variables).find(name => !nameRule.test(name))

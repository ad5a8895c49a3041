import { fail } from './errors.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Parses a JSON text. Throws PAYLOAD_TOO_LARGE for one that is nested too deep, MALFORMED_JSON, and INVALID_ARGUMENT for what JSON allows and no field can mean. */
export function parseJson(bytes: Uint8Array, max_depth: number): unknown {
  const { depth, members } = shapeOf(bytes, max_depth)
  if (depth > max_depth) throw fail.tooLarge('maxDepth', max_depth)
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw fail.malformedJson('The body is not valid UTF-8.')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    // The parser's own words name the place and quote at most a few characters of what the caller sent.
    throw fail.malformedJson(`The body is not valid JSON: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
  // Half a surrogate pair can only come as an escape. No database stores it.
  const broken = /\\u[dD][89a-fA-F]/.test(text) ? illFormed(value, '') : undefined
  if (broken !== undefined)
    throw fail.invalid('The body holds half a character.', { field: broken, rule: 'unicode', expected: 'whole surrogate pairs' })
  // Which of two fields of one name counts is anybody's guess, also of whatever looked at the request before us.
  if (members !== membersOf(value))
    throw fail.invalid('The body holds a field twice.', { field: repeated(text) ?? '', rule: 'uniqueNames', expected: 'each field once' })
  return value
}

/** JSON pointer of the first text, or name, that is not well-formed Unicode. */
function illFormed(value: unknown, pointer: string): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : pointer
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, child] of Object.entries(value)) {
    if (!name.isWellFormed()) return pointer
    const found = illFormed(child, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    if (found !== undefined) return found
  }
  return undefined
}

/** Nesting and number of members of a JSON text, counted without parsing; stops counting just past `enough` levels. */
export function shapeOf(bytes: Uint8Array, enough: number): { depth: number; members: number } {
  let depth = 0
  let deepest = 0
  let members = 0
  let quoted = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (quoted) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x3a) members++
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > deepest && ++deepest > enough) break
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return { depth: deepest, members }
}

function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const children = Object.values(value)
  let members = Array.isArray(value) ? 0 : children.length
  for (const child of children) if (typeof child === 'object') members += membersOf(child)
  return members
}

interface Level {
  /** Undefined for an array. */
  names: Set<string> | undefined
  /** Name or index of the child at hand. */
  at: string | number
}

/** JSON pointer of the first name that an object of a valid JSON text holds twice. */
function repeated(text: string): string | undefined {
  const levels: Level[] = []
  let before = ''
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],]/g)) {
    const level = levels.at(-1)
    if (token === '{' || token === '[') levels.push({ names: token === '{' ? new Set() : undefined, at: 0 })
    else if (token === '}' || token === ']') levels.pop()
    else if (token === ',' && typeof level?.at === 'number') level.at++
    else if (token.startsWith('"') && level?.names && (before === '{' || before === ',')) {
      level.at = JSON.parse(token) as string
      if (level.names.has(level.at)) return levels.map(({ at }) => `/${String(at).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
      level.names.add(level.at)
    }
    before = token
  }
  return undefined
}

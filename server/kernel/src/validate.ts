import type { core } from 'zod'
import { type ErrorDetail, generalError } from './errors.ts'

type Issue = core.$ZodIssue
type Path = readonly PropertyKey[]

/**
 * What the kernel needs of a zod schema. Narrow on purpose: comparing one of zod's own types with another costs the type checker hundreds of
 * milliseconds.
 */
export interface Validator<T = unknown> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: { issues: readonly core.$ZodIssue[] } }
}

/** A request with more faults than this is told about the first ones only. */
const maxDetails = 50

/**
 * Validates and coerces `input` synchronously; defaults are filled in.
 * @throws AppError `INVALID_ARGUMENT` (400) with one detail per bad field.
 */
export function validate<T>(schema: Validator<T>, input: unknown): T {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const details = toDetails(result.error.issues, input)
  throw generalError('INVALID_ARGUMENT', { message: summary(details), details })
}

const summary = (details: readonly ErrorDetail[]): string => {
  const first = details[0]
  if (!first) return 'The request is not valid.'
  const more = details.length > 1 ? ` and ${details.length - 1} more` : ''
  return `The request is not valid: ${first.field || 'the body'} breaks the rule ${first.rule}${more}.`
}

/**
 * One detail per fault: JSON pointer, rule named as in JSON Schema, and what was expected.
 * `input` is the value that was validated; it tells a missing field from one of the wrong type.
 */
export function toDetails(issues: readonly Issue[], input: unknown): ErrorDetail[] {
  return issues.flatMap(issue => details(issue, input, [])).slice(0, maxDetails)
}

function details(issue: Issue, input: unknown, base: Path): ErrorDetail[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(name => ({ field: pointer([...path, name]), rule: 'additionalProperties', expected: 'no such field' }))
  }
  if (issue.code === 'invalid_union') return unionDetails(issue, input, path)
  if (issue.code === 'invalid_key' || issue.code === 'invalid_element') {
    return issue.issues.flatMap(inner => details(inner, input, path))
  }
  const rule = ruleOf(issue)
  const missing = valueAt(input, path) === undefined && (rule.rule === 'type' || rule.rule === 'enum' || rule.rule === 'const')
  return [{ field: pointer(path), ...rule, ...(missing && { rule: 'required' }) }]
}

/** A union names its discriminator, or else the faults of the variant that came closest. */
function unionDetails(issue: core.$ZodIssueInvalidUnion, input: unknown, path: Path): ErrorDetail[] {
  if (issue.errors.length === 0) {
    const expected = 'options' in issue && Array.isArray(issue.options) ? oneOf(issue.options) : 'a known variant'
    const rule = valueAt(input, path) === undefined ? 'required' : 'enum'
    return [{ field: pointer(path), rule, expected }]
  }
  const variants = issue.errors.map(issues => ({ issues, depth: Math.max(...issues.map(inner => inner.path.length)) }))
  const closest = variants.reduce((best, next) =>
    next.depth > best.depth || (next.depth === best.depth && next.issues.length < best.issues.length) ? next : best,
  )
  if (closest.depth > 0) return closest.issues.flatMap(inner => details(inner, input, path))
  const expected = [...new Set(issue.errors.flatMap(issues => issues.map(inner => ruleOf(inner).expected ?? '')))]
    .filter(Boolean)
    .join(' or ')
  const rule = valueAt(input, path) === undefined ? 'required' : 'anyOf'
  return [{ field: pointer(path), rule, expected }]
}

interface Rule {
  rule: string
  expected?: string
}

const limits = {
  string: { too_big: 'maxLength', too_small: 'minLength', unit: ' characters' },
  array: { too_big: 'maxItems', too_small: 'minItems', unit: ' items' },
} as const

function ruleOf(issue: Issue): Rule {
  switch (issue.code) {
    case 'invalid_type':
      return { rule: 'type', expected: issue.expected === 'int' ? 'integer' : issue.expected === 'record' ? 'object' : issue.expected }
    case 'invalid_value':
      return issue.values.length === 1
        ? { rule: 'const', expected: String(issue.values[0]) }
        : { rule: 'enum', expected: oneOf(issue.values) }
    case 'invalid_format':
      return issue.format === 'regex'
        ? { rule: 'pattern', expected: stripSlashes(issue.pattern) }
        : { rule: 'format', expected: formatName(issue.format) }
    case 'too_big':
      return sizeRule(issue.code, issue.origin, issue.maximum, issue.inclusive)
    case 'too_small':
      return sizeRule(issue.code, issue.origin, issue.minimum, issue.inclusive)
    case 'not_multiple_of':
      return { rule: 'multipleOf', expected: `a multiple of ${issue.divisor}` }
    case 'custom':
      return { rule: String(issue.params?.rule ?? 'custom'), expected: String(issue.params?.expected ?? issue.message) }
    default:
      return { rule: issue.code, expected: issue.message }
  }
}

function sizeRule(code: 'too_big' | 'too_small', origin: string, limit: number | bigint, inclusive = true): Rule {
  const word = code === 'too_big' ? 'at most' : 'at least'
  if (origin === 'string' || origin === 'array') return { rule: limits[origin][code], expected: `${word} ${limit}${limits[origin].unit}` }
  if (inclusive) return { rule: code === 'too_big' ? 'maximum' : 'minimum', expected: `${word} ${limit}` }
  return code === 'too_big'
    ? { rule: 'exclusiveMaximum', expected: `below ${limit}` }
    : { rule: 'exclusiveMinimum', expected: `above ${limit}` }
}

const oneOf = (values: readonly unknown[]): string => `one of ${values.map(String).join(', ')}`
const formatName = (format: string): string => ({ datetime: 'date-time', url: 'uri' })[format] ?? format
const stripSlashes = (pattern = ''): string => pattern.replace(/^\/(.*)\/[a-z]*$/s, '$1')

const pointer = (path: Path): string => path.map(step => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

function valueAt(input: unknown, path: Path): unknown {
  let node = input
  for (const step of path) {
    if (node === null || typeof node !== 'object') return undefined
    node = (node as Record<PropertyKey, unknown>)[step]
  }
  return node
}

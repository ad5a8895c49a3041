import type { core } from 'zod'
import { type Validator, validate } from './validate.ts'

type Issue = core.$ZodIssue
interface Unknown {
  path: readonly PropertyKey[]
  keys: readonly string[]
}

/**
 * Validates as the contract says but drops fields this version does not know: the other end may be a release ahead.
 * @throws AppError `INVALID_ARGUMENT` for everything else that is wrong.
 */
export function validateTolerant(schema: Validator, input: object): object {
  const first = schema.safeParse(input)
  if (first.success) return first.data as object
  const unknown = unknownFields(first.error.issues, [])
  if (!unknown) return validate(schema, input) as object
  const copy = structuredClone(input)
  for (const { path, keys } of unknown) {
    const at = path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown> | undefined)?.[step], copy)
    for (const key of keys) delete (at as Record<string, unknown>)[key]
  }
  return validate(schema, copy) as object
}

/** Where the unknown fields are, when there is nothing else wrong. */
function unknownFields(issues: readonly Issue[], base: readonly PropertyKey[]): Unknown[] | undefined {
  const found: Unknown[] = []
  for (const issue of issues) {
    const path = [...base, ...issue.path]
    if (issue.code === 'unrecognized_keys') found.push({ path, keys: issue.keys })
    else if (issue.code === 'invalid_union') {
      const variant = issue.errors.map(errors => unknownFields(errors, path)).find(unknown => unknown !== undefined)
      if (!variant) return undefined
      found.push(...variant)
    } else return undefined
  }
  return found
}

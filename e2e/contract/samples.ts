import { type Document, type Ref, refsOf, resolve, type Schema, sampleOf, typesOf } from './document.ts'

/** The smallest value a schema accepts: required fields only. */
export function minimal(schema: Schema, document: Document): unknown {
  const node = resolve(schema, document)
  if (node.const !== undefined) return node.const
  if (node.enum) return node.enum[0]
  const [variant] = node.oneOf ?? node.anyOf ?? []
  if (variant) return minimal(variant, document)
  if (node.properties || typesOf(node).includes('object')) {
    return Object.fromEntries((node.required ?? []).map(name => [name, minimal(node.properties?.[name] ?? {}, document)]))
  }
  if (typesOf(node).includes('array'))
    return Array.from({ length: (node as { minItems?: number }).minItems ?? 0 }, () => minimal(node.items ?? {}, document))
  if (typesOf(node).includes('integer') || typesOf(node).includes('number')) return node.minimum ?? 0
  if (typesOf(node).includes('boolean')) return false
  return text(node, document)
}

function text(node: Schema, document: Document): string {
  const { pattern = '', format } = node
  if (pattern.startsWith('^https?') || format === 'uri') return 'https://example.com/hook'
  if (pattern.startsWith('^\\+')) return '+15551234567'
  if (format === 'email') return 'someone@example.com'
  if (pattern.includes('[A-Za-z]{2,3}')) return 'en-US'
  return sampleOf(node, document)
}

/** A body that holds `id` where the reference points to, on the base of `example`; the variant of a union is chosen by the way there. */
export function bodyWith(
  schema: Schema,
  { path, id, example, document }: { path: readonly string[]; id: string; example: unknown; document: Document },
): unknown {
  const node = resolve(schema, document)
  const [step, ...rest] = path
  if (step === undefined) return id
  const variants = node.oneOf ?? node.anyOf
  if (variants) {
    const variant = variants.find(one => leadsTo(one, path, document))
    return bodyWith(variant ?? {}, { path, id, example: undefined, document })
  }
  if (step === '*')
    return [bodyWith(node.items ?? {}, { path: rest, id, example: Array.isArray(example) ? example[0] : undefined, document })]
  const base = (typeof example === 'object' && example !== null ? example : minimal(node, document)) as Record<string, unknown>
  return { ...base, [step]: bodyWith(node.properties?.[step] ?? {}, { path: rest, id, example: base[step], document }) }
}

const leadsTo = (schema: Schema, path: readonly string[], document: Document): boolean => {
  const operation = {
    id: '',
    method: '',
    path: '',
    permission: '',
    owner: '',
    parameters: [],
    body: { schema, required: true, example: undefined },
    idempotent: false,
    harmless: false,
    success: 200,
    reasons: new Set<string>(),
  }
  return refsOf(operation, document).some((ref: Ref) => ref.path.join('/') === path.join('/'))
}

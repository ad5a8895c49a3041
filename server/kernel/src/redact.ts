/** What stands in for a secret. */
export const redacted = '[redacted]'

const secretName =
  /^(authorization|cookie|set-cookie|.*passw(or)?d.*|passphrase|.*secret.*|ha1b?|.*private_?key.*|(.*_)?api_?key|.*access_?key|x-api-key|credentials?|(.*_)?tokens?(_hash)?|jwt)$/i
/** Names that only look like secrets. */
const plainName = /^(next_)?page_token$/i

/** A field of this name never goes into a log or an audit record. */
export const isSecretName = (name: string): boolean => secretName.test(name) && !plainName.test(name)

const secretText: [RegExp, string][] = [
  [/([?&](?:token|accesskey|access_token|signature)=)[^&\s"']+/gi, `$1${redacted}`],
  [/\b(Bearer|AccessKey|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${redacted}`],
  [/\bak_[A-Za-z0-9]{16,}/g, redacted],
  [/\bwhsec_[A-Za-z0-9+/=_-]{8,}/g, redacted],
  [/(:\/\/[^:@/\s]*):[^@/\s]+@/g, `$1:${redacted}@`],
]
const suspicious = /token=|accesskey|signature=|bearer|basic |ak_|whsec_|:\/\/[^/\s]*@/i

/** Takes credentials out of free text, such as a URL with `?token=`. */
export function redactText(text: string): string {
  if (!suspicious.test(text)) return text
  let clean = text
  for (const [pattern, replacement] of secretText) clean = clean.replace(pattern, replacement)
  return clean
}

const maxDepth = 8

/** A copy for logs and audit rows: secret fields (by name, and by `extra`) replaced, credentials in text replaced, errors as plain objects. */
export function redact(value: unknown, extra: ReadonlySet<string> = new Set(), depth = 0): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (depth > maxDepth) return '[deep]'
  if (value instanceof Error) return redactError(value, extra, depth)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (Array.isArray(value)) return value.map(item => redact(item, extra, depth + 1))
  const clean: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value)) {
    const secret = (isSecretName(name) || extra.has(name)) && field !== null && field !== undefined && typeof field !== 'boolean'
    clean[name] = secret ? redacted : redact(field, extra, depth + 1)
  }
  return clean
}

/** Own fields of an error (`code`, `reason`, `status` …) stay; a failed query loses its parameters. */
function redactError(error: Error, extra: ReadonlySet<string>, depth: number): object {
  const failedQuery = error.message.startsWith('Failed query:')
  const message = failedQuery ? 'query failed' : redactText(error.message)
  const { params: _params, ...fields } = { ...error } as Record<string, unknown>
  return {
    ...(redact(fields, extra, depth + 1) as object),
    name: error.name,
    message,
    stack: redactText(error.stack?.replace(error.message, message) ?? ''),
    ...(error.cause === undefined ? {} : { cause: redact(error.cause, extra, depth + 1) }),
  }
}

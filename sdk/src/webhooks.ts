import type { AnyWebhook } from '../../generated/sdk/webhooks.ts'
import { SignatureError, signHeaders, type VerifyOptions, verifyHeaders } from './sign.ts'

export type { AnyWebhook, WebhookMap, WebhookPayload, WebhookType } from '../../generated/sdk/webhooks.ts'
export type { VerifyOptions } from './sign.ts'
export { SignatureError } from './sign.ts'

type HeaderMap = Headers | Readonly<Record<string, string | readonly string[] | undefined>>

type Secrets = string | readonly string[]
type RawBody = string | Uint8Array | ArrayBuffer

/**
 * Checks a delivery and returns its payload, which narrows by `type`. Pass the raw body as it arrived: parsed and printed again it differs. Either of the
 * two signature styles will do.
 * @param secrets One secret (`whsec_…`), or several while one replaces the other.
 * @throws SignatureError when the delivery is not genuine or too old.
 */
export async function unwrap(body: RawBody | Request, headers: HeaderMap, secrets: Secrets, options?: VerifyOptions): Promise<AnyWebhook>
export async function unwrap(request: Request, secrets: Secrets, options?: VerifyOptions): Promise<AnyWebhook>
export async function unwrap(first: RawBody | Request, ...rest: readonly unknown[]): Promise<AnyWebhook> {
  // Frameworks bring Request classes of their own: what has a text is one.
  const request = typeof first === 'object' && 'text' in first ? first : undefined
  const isShort = typeof rest[0] === 'string' || Array.isArray(rest[0])
  const [headers, secrets, options] = (request && isShort ? [request.headers, ...rest] : rest) as [HeaderMap, Secrets, VerifyOptions?]
  const keys = [secrets].flat()
  // An empty secret signs, too: anybody could.
  if (keys.length === 0 || keys.some(secret => !secret)) throw new TypeError('unwrap needs the secret of the webhook')
  const body = request ? await request.text() : typeof first === 'string' ? first : decode(first as Uint8Array)
  await verifyHeaders(body, lookup(headers), keys, options)
  return parse(body)
}

/** Signs a payload as the platform does, for your own tests: returns the body and its headers. */
export async function sign(
  payload: AnyWebhook,
  secrets: string | readonly string[],
  timestamp?: Date,
): Promise<{ body: string; headers: Record<string, string> }> {
  const body = JSON.stringify(payload)
  return {
    body,
    headers: await signHeaders(body, { id: payload.id, type: payload.type, secrets: [secrets].flat(), ...(timestamp && { timestamp }) }),
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder().decode(bytes)
  } catch (error) {
    throw new TypeError('unwrap needs the raw body, as text or bytes; this one has been parsed', { cause: error })
  }
}

function lookup(headers: HeaderMap): (name: string) => string | undefined {
  // As with Request: frameworks have Headers of their own.
  if (typeof headers.get === 'function') return name => (headers as Headers).get(name) ?? undefined
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return name => {
    const value = lower.get(name)
    return typeof value === 'string' ? value : value?.[0]
  }
}

function parse(body: string): AnyWebhook {
  const value: unknown = JSON.parse(body)
  if (value === null || typeof value !== 'object' || !('type' in value)) throw new SignatureError('The body is no webhook.')
  return value as AnyWebhook
}

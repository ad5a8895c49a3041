import type { AnyWebhook } from '../../generated/sdk/webhooks.ts'
import { SignatureError, signHeaders, type VerifyOptions, verifyHeaders } from './sign.ts'

export type { AnyWebhook, WebhookMap, WebhookPayload, WebhookType } from '../../generated/sdk/webhooks.ts'
export type { VerifyOptions } from './sign.ts'
export { SignatureError } from './sign.ts'

type HeaderMap = Headers | Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * Checks a delivery and returns its payload, which narrows by `type`. Pass the raw body as it arrived: parsed and printed again it differs.
 * @param secrets One secret (`whsec_…`), or several while one replaces the other.
 * @throws SignatureError when the delivery is not genuine or too old.
 */
export async function unwrap(
  body: string | Uint8Array,
  headers: HeaderMap,
  secrets: string | readonly string[],
  options?: VerifyOptions,
): Promise<AnyWebhook>
export async function unwrap(request: Request, secrets: string | readonly string[], options?: VerifyOptions): Promise<AnyWebhook>
export async function unwrap(first: string | Uint8Array | Request, ...rest: readonly unknown[]): Promise<AnyWebhook> {
  const isRequest = first instanceof Request
  const [headers, secrets, options] = (isRequest ? [first.headers, ...rest] : rest) as [
    HeaderMap,
    string | readonly string[],
    VerifyOptions?,
  ]
  const body = isRequest ? await first.text() : typeof first === 'string' ? first : new TextDecoder().decode(first)
  await verifyHeaders(body, lookup(headers), [secrets].flat(), options)
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

function lookup(headers: HeaderMap): (name: string) => string | undefined {
  if (headers instanceof Headers) return name => headers.get(name) ?? undefined
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

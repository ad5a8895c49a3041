import { NotFoundError, VoIPBIN } from '@voipbin/sdk'
import { flow } from '@voipbin/sdk/flow'
import { Realtime, type RealtimeOptions } from '@voipbin/sdk/realtime'
import { SignatureError, sign, unwrap, type WebhookPayload } from '@voipbin/sdk/webhooks'

export interface CheckOptions {
  /** Where `platform-fixture.ts` listens. Where it is left out, the environment says it, and the key. */
  url?: string
  /** For runtimes without one. */
  WebSocket?: typeof WebSocket
}

/** Uses every part of the package once, on whatever runtime this is. Gives what it saw; the same everywhere. */
export async function check({ url, WebSocket }: CheckOptions = {}): Promise<Record<string, unknown>> {
  const retries: (number | undefined)[] = []
  const place = url === undefined ? {} : { accessKey: 'ak_check', baseUrl: url }
  const client = new VoIPBIN({ ...place, onRetry: ({ status }) => retries.push(status) })
  const actions = flow().answer().talk({ text: 'Hello' }, { id: 'hello' }).goto({ target_id: 'hello' }).build()
  const call = await client.calls.create({ source: { target: '+12025550100' }, destinations: [{ target: '1001' }], actions })
  const rows: string[] = []
  for await (const { id } of client.calls.list({ page_size: 2 })) rows.push(id)
  const missing = await client.calls.get('missing').catch((error: unknown) => error)
  const result = await client.calls.get('missing').asResult()
  const response = await client.calls.get('call-1').asResponse()
  const stop = new AbortController()
  const hanging = client.calls.get('hanging', { signal: stop.signal }).catch((error: unknown) => String(error))
  stop.abort(new Error('given up'))
  return {
    create: call.id,
    retries,
    rows,
    error: [missing instanceof NotFoundError, (missing as NotFoundError).name, result.error?.reason],
    response: [response.status, await response.text()],
    aborted: await hanging,
    webhook: await webhook(),
    events: await events({ ...place, ...(WebSocket && { WebSocket }) }),
  }
}

async function webhook(): Promise<unknown> {
  const secret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'
  const event = { id: 'e1', type: 'call_hungup', created: '2026-01-20T12:00:00.000Z', data: { id: 'c1' } } as WebhookPayload<'call_hungup'>
  const { body, headers } = await sign(event, secret)
  const fromText = await unwrap(body, headers, secret)
  const fromBytes = await unwrap(new TextEncoder().encode(body), headers, ['whsec_b3RoZXI=', secret])
  const fromRequest = await unwrap(new Request('https://example.com/', { method: 'POST', body, headers }), secret)
  const changed = await unwrap(`${body} `, headers, secret).catch((error: unknown) => error instanceof SignatureError)
  return [fromText.id, fromBytes.type, fromRequest.data.id, changed]
}

async function events(options: RealtimeOptions): Promise<unknown> {
  const realtime = new Realtime(options)
  const [handled, looped]: [string[], string[]] = [[], []]
  realtime.on('call.*', event => handled.push(event.event_type))
  await realtime.subscribe('call')
  for await (const frame of realtime) {
    if (frame.type === 'event') looped.push(`${frame.seq} ${frame.event_type}`)
    if (looped.length === 2) break
  }
  realtime.close()
  return { handled, looped }
}

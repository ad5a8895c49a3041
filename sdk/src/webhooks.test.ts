import { verify as octokitVerify } from '@octokit/webhooks-methods'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { SignatureError, signHeaders } from './sign.ts'
import { type AnyWebhook, sign, unwrap, type WebhookPayload } from './webhooks.ts'

const secret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'
const other = 'whsec_AAAAsBQIhrscChlQIMV+b5sSYspob7oD'
const now = new Date('2026-01-20T12:00:00.123Z')
// Only what the signature covers matters here; the data of an event has its own tests.
const payload = {
  id: '01980a4e-5d00-7a11-8c3e-1f2a3b4c5d01',
  type: 'call_hungup',
  created: now.toISOString(),
  data: { note: 'ü€😀' },
} as unknown as AnyWebhook

describe('sign and unwrap', () => {
  test('carry a payload over', async () => {
    const { body, headers } = await sign(payload, secret, now)
    await expect(unwrap(body, headers, secret, { now })).resolves.toEqual(payload)
  })

  test.each(['x-voipbin', 'webhook'])('need only the headers that begin with %s', async prefix => {
    const { body, headers } = await sign(payload, secret, now)
    const some = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(prefix)))
    await expect(unwrap(new TextEncoder().encode(body), some, secret, { now })).resolves.toEqual(payload)
  })

  test('take a Request', async () => {
    const { body, headers } = await sign(payload, secret, now)
    const request = new Request('http://localhost/hook', { method: 'POST', body, headers })
    await expect(unwrap(request, [secret], { now })).resolves.toEqual(payload)
  })

  test('take a Request of another make, with or without its headers, and bytes of any kind', async () => {
    const { body, headers } = await sign(payload, secret, now)
    const request = { text: () => Promise.resolve(body), headers: new Headers(headers) } as unknown as Request
    await expect(unwrap(request, secret, { now })).resolves.toEqual(payload)
    await expect(unwrap(request, headers, secret, { now })).resolves.toEqual(payload)
    await expect(unwrap(new TextEncoder().encode(body).buffer, headers, secret, { now })).resolves.toEqual(payload)
  })

  test.each([{ secrets: '' }, { secrets: [] }, { secrets: [secret, ''] }])(
    'refuse to work without a secret: $secrets',
    async ({ secrets }) => {
      const { body, headers } = await sign(payload, secret, now)
      await expect(unwrap(body, headers, secrets, { now })).rejects.toThrow('unwrap needs the secret of the webhook')
    },
  )

  test('take longer when they are told to', async () => {
    const { body, headers } = await sign(payload, secret, now)
    const later = new Date(now.getTime() + 3_600_000)
    await expect(unwrap(body, headers, secret, { now: later, toleranceSeconds: 3601 })).resolves.toEqual(payload)
    await expect(unwrap(body, headers, secret, { now: later, toleranceSeconds: 3599 })).rejects.toBeInstanceOf(SignatureError)
  })

  test('accept any active secret on either side during a rotation', async () => {
    const { body, headers } = await sign(payload, [other, secret], now)
    for (const active of [secret, other]) await expect(unwrap(body, headers, active, { now })).resolves.toEqual(payload)
    const single = await sign(payload, secret, now)
    await expect(unwrap(single.body, single.headers, [other, secret], { now })).resolves.toEqual(payload)
  })

  test('name headers in any case, as Node gives them', async () => {
    const { body, headers } = await sign(payload, secret, now)
    const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]]))
    await expect(unwrap(body, upper, secret, { now })).resolves.toEqual(payload)
  })
})

interface Sent {
  body: string
  headers: Record<string, string>
}
const refused: {
  when: string
  change: (sent: Sent) => Sent
  secret?: string
  at?: Date
  want: string
}[] = [
  {
    when: 'the body is changed',
    change: sent => ({ ...sent, body: sent.body.replace('note', 'nota') }),
    want: 'The signature does not fit the body.',
  },
  { when: 'the secret is another', change: sent => sent, secret: other, want: 'The signature does not fit the body.' },
  { when: 'it is too old', change: sent => sent, at: new Date(now.getTime() + 301_000), want: 'The timestamp is too far from now: 301 s.' },
  {
    when: 'it is from the future',
    change: sent => sent,
    at: new Date(now.getTime() - 301_000),
    want: 'The timestamp is too far from now: 301 s.',
  },
  {
    when: 'the timestamp is no time',
    change: sent => ({ ...sent, headers: { ...sent.headers, 'webhook-timestamp': 'now' } }),
    want: 'The timestamp is too far from now: NaN s.',
  },
  {
    when: 'the timestamp is another',
    change: sent => ({ ...sent, headers: { ...sent.headers, 'webhook-timestamp': String(now.getTime() / 1000 - 1) } }),
    want: 'The signature does not fit the body.',
  },
  {
    when: 'the signature is garbage',
    change: sent => ({ ...sent, headers: { ...sent.headers, 'webhook-signature': 'v1,***' } }),
    want: 'The signature does not fit the body.',
  },
  {
    when: 'the signature is empty',
    change: sent => ({ ...sent, headers: { ...sent.headers, 'webhook-signature': '' } }),
    want: 'The signature does not fit the body.',
  },
  { when: 'nothing is signed', change: sent => ({ ...sent, headers: {} }), want: 'The signature headers are missing.' },
]

describe('unwrap refuses when', () => {
  test.each(refused)('$when', async ({ change, secret: key = secret, at = now, want }) => {
    const sent = change(await sign(payload, secret, now))
    const result = unwrap(sent.body, sent.headers, key, { now: at })
    await expect(result).rejects.toBeInstanceOf(SignatureError)
    await expect(unwrap(sent.body, sent.headers, key, { now: at })).rejects.toThrow(want)
  })
})

describe('others verify what we sign', () => {
  test('the npm package standardwebhooks', async () => {
    const { body, headers } = await sign(payload, [other, secret])
    expect(new StandardWebhook(secret).verify(body, headers)).toEqual(payload)
    expect(() => new StandardWebhook(secret).verify(`${body} `, headers)).toThrow()
  })

  test('@octokit/webhooks-methods over timestamp.body', async () => {
    const { body, headers } = await sign(payload, secret)
    const signed = `${headers['x-voipbin-timestamp']}.${body}`
    await expect(octokitVerify(secret, signed, headers['x-voipbin-signature'] ?? '')).resolves.toBe(true)
    await expect(octokitVerify(other, signed, headers['x-voipbin-signature'] ?? '')).resolves.toBe(false)
  })

  test('and we verify what standardwebhooks signs', async () => {
    const body = JSON.stringify(payload)
    const signature = new StandardWebhook(secret).sign(payload.id, now, body)
    const headers = {
      'webhook-id': payload.id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': signature,
    }
    await expect(unwrap(body, headers, secret, { now })).resolves.toEqual(payload)
  })
})

test('a body that a framework has parsed is refused with a word about it', async () => {
  const { headers } = await sign(payload, secret)
  await expect(unwrap(payload as never, headers, secret)).rejects.toThrow('unwrap needs the raw body')
})

test('headers need only a get', async () => {
  const { body, headers } = await sign(payload, secret)
  const foreign = { get: (name: string) => headers[name] ?? null } as unknown as Headers
  await expect(unwrap(body, foreign, secret)).resolves.toEqual(payload)
})

test('the headers have the form the documents promise', async () => {
  const headers = await signHeaders('{}', { id: 'i', type: 'call_hungup', timestamp: now, secrets: [secret] })
  expect(headers).toMatchObject({
    'x-voipbin-timestamp': '2026-01-20T12:00:00.123Z',
    'x-voipbin-event': 'call_hungup',
    'webhook-id': 'i',
    'webhook-timestamp': '1768910400',
  })
  expect(headers['x-voipbin-signature']).toMatch(/^sha256=[0-9a-f]{64}$/)
  expect(headers['webhook-signature']).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/)
})

test('a payload of several types narrows to each of them', () => {
  const cause = (event: WebhookPayload<'call_hungup' | 'recording_finished'>): string | null => {
    if (event.type === 'call_hungup') return event.data.hangup_cause
    expectTypeOf(event).toEqualTypeOf<WebhookPayload<'recording_finished'>>()
    return event.type === 'recording_finished' ? event.data.status : (event satisfies never)
  }
  const recording = { id: 'e1', type: 'recording_finished', created: '', data: { status: 'ended' } } as WebhookPayload<'recording_finished'>
  expect(cause(recording)).toBe('ended')
})

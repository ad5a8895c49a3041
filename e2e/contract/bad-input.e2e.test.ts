import { beforeAll, expect, test } from 'vitest'
import { badRequests, soundPath } from './mutations.ts'
import { findings, key, World } from './world.ts'

let world: World
let credentials: Record<string, string>
beforeAll(async () => {
  world = await World.open()
  credentials = key(world.state.demo.accesskey)
})

/** Operations of the platform itself refuse a customer before they look at the input; they are covered by the permission test. */
const reachable = () => world.operations.filter(operation => operation.owner !== 'platform')

test('every rule of the contract is enforced and the refusal names the field', async () => {
  const cases = reachable().flatMap(operation => badRequests(operation, world.document).map(bad => ({ operation, bad })))
  expect(cases.length).toBeGreaterThan(500)
  const wrong = await findings(cases, async ({ operation, bad }) => {
    const answer = await world.request(operation.method, bad.path, { body: bad.body, headers: credentials })
    const name = `${operation.id} ${bad.what}`
    if (answer.status !== 400) return `${name}: ${answer.status} ${answer.text.slice(0, 200)}`
    const { reason, details, request_id } = answer.body.error
    if (reason !== 'INVALID_ARGUMENT') return `${name}: ${reason}`
    if (request_id !== answer.headers.get('x-request-id')) return `${name}: no request id`
    const fields = (details as { field: string; rule: string }[]).map(detail => detail.field)
    return fields.some(field => field === bad.field || field.startsWith(`${bad.field}/`))
      ? undefined
      : `${name}: names ${fields.join(', ')} instead of ${bad.field}`
  })
  expect(wrong).toEqual([])
})

test.each([
  { what: 'broken JSON', body: '{"', type: 'application/json', status: 400, reason: 'MALFORMED_JSON' },
  { what: 'another type', body: 'a=1', type: 'text/plain', status: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' },
  {
    what: 'nesting of 1,000',
    body: '['.repeat(1_000) + ']'.repeat(1_000),
    type: 'application/json',
    status: 413,
    reason: 'PAYLOAD_TOO_LARGE',
  },
  { what: 'more than 1 MB', body: `"${'x'.repeat(1_100_000)}"`, type: 'application/json', status: 413, reason: 'PAYLOAD_TOO_LARGE' },
])('$what is refused by every operation with a body: $reason', async ({ body, type, status, reason }) => {
  const withBody = reachable().filter(operation => operation.body)
  const wrong = await findings(withBody, async operation => {
    const answer = await world.request(operation.method, soundPath(operation, world.document), {
      body,
      headers: { ...credentials, 'content-type': type },
    })
    return answer.status === status && answer.body?.error?.reason === reason
      ? undefined
      : `${operation.id}: ${answer.status} ${answer.text.slice(0, 200)}`
  })
  expect(wrong).toEqual([])
})

test('methods that a path does not have are 405 with Allow', async () => {
  const paths = new Map<string, Set<string>>()
  for (const { path, method } of world.operations) paths.set(path, (paths.get(path) ?? new Set()).add(method))
  const cases = [...paths].flatMap(([path, methods]) =>
    ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter(method => !methods.has(method)).map(method => ({ path, method })),
  )
  const wrong = await findings(cases, async ({ path, method }) => {
    const answer = await world.request(method, path.replaceAll(/\{\w+\}/g, '01980000-0000-7000-8000-000000000001'), {
      headers: credentials,
    })
    return answer.status === 405 && answer.headers.get('allow') ? undefined : `${method} ${path}: ${answer.status}`
  })
  expect(wrong).toEqual([])
})

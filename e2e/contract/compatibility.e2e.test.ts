import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Account, key, World } from './world.ts'

// What clients made for VoIPBIN's first implementation send: the Go client, the `vn` command, the MCP server. Every line here is a line of
// docs/compatibility.md, word for word.

const page = readFileSync(join(import.meta.dirname, '../../docs/compatibility.md'), 'utf8')
let world: World
let mine: Account
let token: string
let number: string
beforeAll(async () => {
  world = await World.open()
  mine = await world.customer()
  token = await world.login(mine)
  number = `+1${Math.floor(1e9 + Math.random() * 8e9)}`
  await world.make('/v1.0/available_numbers', await world.operator(), { numbers: [{ number, country: 'US' }] })
})

interface Sent {
  method?: string
  path: string
  headers?: Record<string, string>
  body?: string
}
interface Got {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  body: any
  headers: IncomingMessage['headers']
}

/** Sends exactly these headers, as no fetch would. */
async function send({ method = 'GET', path, headers = {}, body }: Sent): Promise<Got> {
  const outgoing = request(world.origin + path, { method, headers })
  outgoing.end(body)
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  const text = Buffer.concat(await answer.toArray()).toString()
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) }
}

const json = { 'content-type': 'application/json' }
const withKey = (path: string): string => `/v1.0${path}${path.includes('?') ? '&' : '?'}accesskey=${mine.accesskey}`
const post = (path: string, fields: object): Promise<Got> =>
  send({ method: 'POST', path: withKey(path), headers: json, body: JSON.stringify(fields) })
const flow = { name: 'old client', detail: '', actions: [] }
const call = { source: { target: '+12025550100' }, destinations: [{ target: '1001' }] }
const made = async (path: string, fields: object): Promise<string> => (await post(path, fields)).body.id

interface Line {
  line: string
  sends: () => Promise<Got>
  gets: { status: number; body?: object }
}

const works: Line[] = [
  {
    line: '`?accesskey=ak_…` in the URL of any request',
    sends: () => send({ path: withKey('/flows') }),
    gets: { status: 200 },
  },
  {
    line: '`Authorization: Bearer <token>`',
    sends: () => send({ path: '/v1.0/flows', headers: { authorization: `Bearer ${token}` } }),
    gets: { status: 200 },
  },
  {
    line: '`Authorization: Bearer ak_…`, an access key in place of a token',
    sends: () => send({ path: '/v1.0/flows', headers: { authorization: `Bearer ${mine.accesskey}` } }),
    gets: { status: 200 },
  },
  { line: '`?token=<token>`', sends: () => send({ path: `/v1.0/flows?token=${token}` }), gets: { status: 200 } },
  {
    line: '`POST /auth/login`, without a version, with `{"username","password"}`: returns `username` and `token`',
    sends: () =>
      send({
        method: 'POST',
        path: '/auth/login',
        headers: json,
        body: JSON.stringify({ username: mine.username, password: mine.password }),
      }),
    gets: { status: 200, body: { username: expect.stringContaining('@'), token: expect.stringMatching(/^ey/) } },
  },
  {
    line: '`GET /me` and `GET /v1.0/me` with a token: the agent',
    sends: async () => {
      const [bare, versioned] = await Promise.all(
        ['/me', '/v1.0/me'].map(path => send({ path, headers: { authorization: `Bearer ${token}` } })),
      )
      expect(bare?.body).toEqual(versioned?.body)
      return bare as Got
    },
    gets: { status: 200, body: { username: expect.stringContaining('@'), status: 'offline' } },
  },
  {
    line: '`GET /v1.0/me?accesskey=ak_…`, which `vn login` uses to check a key: the agent that created it',
    sends: () => send({ path: withKey('/me') }),
    gets: { status: 200, body: { username: expect.stringContaining('@') } },
  },
  {
    line: 'lists as `{"result":[…],"next_page_token":"…"}`, with `page_size` and `page_token`',
    sends: async () => {
      for (const _ of [1, 2, 3]) await post('/flows', flow)
      const first = await send({ path: withKey('/flows?page_size=2') })
      return send({ path: withKey(`/flows?page_size=2&page_token=${encodeURIComponent(first.body.next_page_token)}`) })
    },
    gets: { status: 200, body: { result: expect.any(Array), next_page_token: expect.any(String) } },
  },
  { line: 'an empty `page_token=` for the first page', sends: () => send({ path: withKey('/flows?page_token=') }), gets: { status: 200 } },
  {
    line: 'addresses without `type` in `POST /v1.0/calls`; the response has `calls` and `groupcalls`',
    sends: () => post('/calls', call),
    gets: {
      status: 201,
      body: {
        calls: [expect.objectContaining({ destination: expect.objectContaining({ type: 'extension', target: '1001' }) })],
        groupcalls: [],
      },
    },
  },
  {
    line: 'DELETE with `Content-Type: application/json` and `Content-Length: 0`; the response is the deleted resource',
    sends: async () => {
      const id = await made('/flows', flow)
      return send({ method: 'DELETE', path: withKey(`/flows/${id}`), headers: { ...json, 'content-length': '0' } })
    },
    gets: { status: 200, body: { name: 'old client', tm_delete: expect.any(String) } },
  },
  {
    line: 'DELETE with an empty chunked body',
    sends: async () => {
      const id = await made('/flows', flow)
      return send({ method: 'DELETE', path: withKey(`/flows/${id}`), headers: { ...json, 'transfer-encoding': 'chunked' } })
    },
    gets: { status: 200 },
  },
  {
    line: 'GET with `Content-Type: application/json` and no body',
    sends: () => send({ path: withKey('/flows'), headers: { ...json, 'content-length': '0' } }),
    gets: { status: 200 },
  },
  {
    line: 'actions without a body: `POST /v1.0/calls/{id}/hangup` with `Content-Length: 0`',
    sends: async () => {
      const id = await made('/calls', call)
      return send({ method: 'POST', path: withKey(`/calls/${id}/hangup`), headers: { 'content-length': '0' } })
    },
    gets: { status: 200 },
  },
  {
    line: '`{}` for operations without a body',
    sends: async () => {
      const id = await made('/calls', call)
      return send({ method: 'POST', path: withKey(`/calls/${id}/hangup`), headers: json, body: '{}' })
    },
    gets: { status: 200 },
  },
  {
    line: '`""` for no id, such as `call_flow_id` of a number',
    sends: () => post('/numbers', { number, name: '', detail: '', call_flow_id: '', message_flow_id: '' }),
    gets: { status: 201, body: { call_flow_id: null, message_flow_id: null } },
  },
  {
    line: '`"next_id":""` in the last action of a flow, and `"option":{}` everywhere',
    sends: () => post('/flows', { ...flow, actions: [{ id: randomUUID(), next_id: '', type: 'answer', option: {} }] }),
    gets: { status: 201, body: { actions: [expect.objectContaining({ type: 'answer', next_id: null })] } },
  },
  { line: 'flows without actions', sends: () => post('/flows', flow), gets: { status: 201, body: { actions: [] } } },
  {
    line: 'extensions with `extension`, `password`, `name`, `detail`',
    sends: () => post('/extensions', { name: '', detail: '', extension: '2002', password: 'correct-horse-1' }),
    gets: { status: 201, body: { extension: '2002', username: '2002' } },
  },
  {
    line: 'access keys with `name` and `detail`; `token` is shown once',
    sends: () => post('/accesskeys', { name: 'old', detail: '' }),
    gets: { status: 201, body: { token: expect.stringMatching(/^ak_/) } },
  },
  {
    line: '`X-Request-ID: req_…`: the response repeats it',
    sends: async () => {
      const answer = await send({ path: withKey('/flows'), headers: { 'x-request-id': 'req_abcdefghijklmnopqrstuvwxyz' } })
      expect(answer.headers['x-request-id']).toBe('req_abcdefghijklmnopqrstuvwxyz')
      return answer
    },
    gets: { status: 200 },
  },
  { line: '`GET /ping`', sends: () => send({ path: '/ping' }), gets: { status: 200, body: { message: 'pong' } } },
]

const refusal = (status: number, field: string): Line['gets'] => ({
  status,
  body: { error: { details: expect.arrayContaining([expect.objectContaining({ field })]) } },
})
const differs: Line[] = [
  {
    line: 'a create returns 201, not 200',
    sends: () => post('/flows', flow),
    gets: { status: 201 },
  },
  {
    line: "another customer's resource is 404, not 403",
    sends: async () => {
      const { id } = await world.make('/v1.0/flows', key(world.state.demo_other.accesskey), flow)
      return send({ path: withKey(`/flows/${id}`) })
    },
    gets: { status: 404, body: { error: { reason: 'FLOW_NOT_FOUND' } } },
  },
  {
    line: 'an unknown field is 400, for example `tag_ids` of an agent',
    sends: () =>
      post('/agents', { username: 'a@b.example', password: 'correct horse', name: '', permissions: [], addresses: [], tag_ids: [] }),
    gets: refusal(400, '/tag_ids'),
  },
  {
    line: 'permissions are names in `permissions`, not bits in `permission`',
    sends: () => post('/agents', { username: 'a@b.example', password: 'correct horse', name: '', permission: 64, addresses: [] }),
    gets: refusal(400, '/permission'),
  },
  {
    line: 'ids of actions are UUIDs, or are left out',
    sends: () => post('/flows', { ...flow, actions: [{ id: 'a1', type: 'answer', option: {} }] }),
    gets: refusal(400, '/actions/0/id'),
  },
]

describe('works unchanged', () => {
  test.each(works)('$line', async ({ line, sends, gets }) => {
    expect(page).toContain(`- ${line}\n`)
    const { status, body } = await sends()
    expect(status, JSON.stringify(body)).toBe(gets.status)
    if (gets.body) expect(body).toMatchObject(gets.body)
  })
})

describe('differs', () => {
  test.each(differs)('$line', async ({ line, sends, gets }) => {
    expect(page).toContain(`- ${line}\n`)
    const { status, body } = await sends()
    expect(status, JSON.stringify(body)).toBe(gets.status)
    if (gets.body) expect(body).toMatchObject(gets.body)
  })
})

test('every line of the page is tested', () => {
  const lines = page.split('\n').filter(line => line.startsWith('- '))
  expect(lines.toSorted()).toEqual([...works, ...differs].map(({ line }) => `- ${line}`).toSorted())
})

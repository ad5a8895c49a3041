import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fixture, key, type Tenant } from './fixture.ts'

let fixture: Fixture
let tenant: Tenant
beforeAll(async () => {
  fixture = await Fixture.open({ timeouts: { headers_ms: 5_000 } })
  await fixture.addGateway({ timeouts: { headers_ms: 400, request_ms: 1_500 } })
  tenant = fixture.tenant()
})
afterAll(() => fixture.close())

/** The gateway that soon loses its patience: not for senders that are quick when the machine is not busy. */
const hasty = 1

/** Everything a raw connection answers until it closes or `enough` says so. */
async function raw(
  send: (socket: Socket) => void,
  enough = (_text: string) => false,
  gateway = 0,
): Promise<{ text: string; closed: boolean }> {
  const socket = connect(Number(fixture.gateways[gateway]?.port), '127.0.0.1')
  await once(socket, 'connect')
  let text = ''
  let closed = false
  const done = Promise.withResolvers<void>()
  socket.on('data', chunk => {
    text += String(chunk)
    if (enough(text)) done.resolve()
  })
  socket.on('error', () => done.resolve())
  socket.on('close', () => {
    closed = true
    done.resolve()
  })
  send(socket)
  await done.promise
  socket.destroy()
  return { text, closed }
}
const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
const bodyOf = (text: string) => JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as { error: Record<string, unknown> }
const post = (length: string): string =>
  `POST /v1.0/widgets HTTP/1.1\r\nHost: x\r\nAuthorization: AccessKey ${tenant.accesskey}\r\nContent-Type: application/json\r\n${length}\r\n\r\n`

describe('what breaks other gateways', () => {
  test.each([
    { what: 'the path percent-encoded', path: '/v1.0/%77idgets', status: 200 },
    { what: 'a slash percent-encoded', path: '/v1.0%2Fwidgets', status: 404 },
    { what: 'a broken escape in a parameter', path: '/v1.0/widgets/%zz', status: 400 },
    { what: 'a broken escape in the path', path: '/v1.0/%zz', status: 404 },
    { what: 'NUL in an id', path: '/v1.0/widgets/%00', status: 400 },
    { what: 'an id in other letters', path: `/v1.0/widgets/${encodeURIComponent('０１９８００００-٠')}`, status: 400 },
    { what: 'dots that climb', path: '/v1.0/widgets/../../health', status: 200 },
    { what: 'encoded dots that climb', path: '/softphone/..%2f..%2fetc/passwd', status: 404 },
    { what: 'a slash at the end', path: '/v1.0/widgets/', status: 404 },
    { what: 'two slashes', path: '/v1.0//widgets', status: 404 },
    { what: 'a query parameter twice', path: '/v1.0/widgets?page_size=1&page_size=2', status: 400 },
    { what: 'a broken escape in the query', path: '/v1.0/widgets?page_size=%zz', status: 400 },
    { what: 'names of prototypes', path: '/v1.0/widgets?__proto__=1&constructor=2', status: 400 },
    { what: 'a path of 10,000 characters', path: `/v1.0/widgets/${'a'.repeat(10_000)}`, status: 400 },
  ])('$what: $status in the usual form', async ({ path, status }) => {
    const { text } = await raw(socket =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: AccessKey ${tenant.accesskey}\r\nConnection: close\r\n\r\n`),
    )
    expect(statusOf(text), text.slice(0, 400)).toBe(status)
    expect(text).toMatch(/x-request-id: /i)
    if (status >= 400) expect(bodyOf(text).error.request_id).toBeTypeOf('string')
  })
  test('a browser that opens an address of the API gets JSON', async () => {
    const answer = await fixture.request('GET', '/v1.0/widgets', { headers: { accept: 'text/html' } })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([401, 'application/json'])
  })
  test.each<{ what: string; length: string; body: string; status: number; end?: boolean }>([
    { what: 'fewer bytes than announced, then the end', length: 'Content-Length: 20', body: '{"name":"a"}', status: 400, end: true },
    { what: 'more bytes than announced', length: 'Content-Length: 12', body: '{"name":"a"}GARBAGE\r\n\r\n', status: 201 },
    { what: 'a chunk shorter than it says', length: 'Transfer-Encoding: chunked', body: 'ff\r\n{"name":"a"}\r\n0\r\n\r\n', status: 408 },
    { what: 'a chunk longer than it says', length: 'Transfer-Encoding: chunked', body: '2\r\n{"name":"a"}\r\n0\r\n\r\n', status: 400 },
    { what: 'a chunk size that is none', length: 'Transfer-Encoding: chunked', body: 'zz\r\n{}\r\n0\r\n\r\n', status: 400 },
    { what: 'a negative length', length: 'Content-Length: -1', body: '', status: 400 },
    { what: 'a coding besides chunked', length: 'Transfer-Encoding: gzip, chunked', body: '2\r\n{}\r\n0\r\n\r\n', status: 415 },
    { what: 'an empty chunked body', length: 'Transfer-Encoding: chunked', body: '0\r\n\r\n', status: 400 },
  ])('a body with $what ends in $status', async ({ length, body, status, end }) => {
    const { text } = await raw(
      socket => {
        socket.write(post(length) + body)
        if (end) socket.end()
      },
      all => /^HTTP\/1\.1 \d+.*\r\n\r\n\{.*\}/s.test(all),
      status === 408 ? hasty : 0,
    )
    expect(statusOf(text), text).toBe(status)
  })
  test('a hundred connections that send a byte now and then keep nobody else waiting', async () => {
    const sockets = Array.from({ length: 100 }, () => connect(Number(fixture.gateways[0]?.port), '127.0.0.1'))
    await Promise.all(sockets.map(socket => once(socket, 'connect')))
    for (const socket of sockets) socket.on('error', () => undefined).write('GET / HTTP/1.1\r\nHost: x\r\nX-A')
    expect((await fixture.request('GET', '/v1.0/whoami', { headers: key(tenant) })).status).toBe(200)
    // Each is answered or closed by itself.
    await Promise.all(sockets.map(socket => (socket.closed ? undefined : once(socket.resume(), 'close'))))
  })
})

describe('what two readers of one request could take for different ones', () => {
  const other = 'AccessKey ak_00000000000000000000000000000000'
  test.each([
    { what: 'two credentials', head: `Authorization: ${other}`, path: '/v1.0/whoami', status: 400, field: '/authorization' },
    { what: 'two hosts', head: 'Host: y', path: '/v1.0/whoami', status: 400, field: '/host' },
    { what: 'an escape that is none', head: 'X: y', path: '/v1.0/widgets?part_id=%zz', status: 400, field: '/part_id' },
    { what: 'an escape that is no UTF-8', head: 'X: y', path: '/v1.0/widgets?a=1&part_id=%ff', status: 400, field: '/part_id' },
    { what: 'a parameter twice', head: 'X: y', path: '/v1.0/widgets?page_size=1&page_size=2', status: 400, field: '/page_size' },
  ])('$what: $status, and what it was', async ({ head, path, status, field }) => {
    const { text } = await raw(socket =>
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: AccessKey ${tenant.accesskey}\r\n${head}\r\nConnection: close\r\n\r\n`,
      ),
    )
    expect([statusOf(text), (bodyOf(text).error.details as { field: string }[])[0]?.field]).toEqual([status, field])
  })
  test('two credentials in the query are none', async () => {
    const { accesskey } = fixture.tenant()
    for (const more of [`accesskey=${accesskey}`, 'token=x', 'accesskey='])
      expect((await fixture.request('GET', `/v1.0/whoami?accesskey=${tenant.accesskey}&${more}`)).status).toBe(401)
  })
  test('a field twice is refused where it stands, and nothing is made', async () => {
    const before = fixture.runs('createWidget')
    const answer = await fixture.request('POST', '/v1.0/widgets', { body: '{"name":"a","name":"b"}', headers: key(tenant) })
    expect([answer.status, answer.body.error.details[0].field]).toEqual([400, '/name'])
    expect(fixture.runs('createWidget')).toBe(before)
  })
})

describe('what well-meaning clients do', () => {
  const get = (line: string, ...more: string[]): string =>
    `${[line, `Authorization: AccessKey ${tenant.accesskey}`, ...more, 'Connection: close'].join('\r\n')}\r\n\r\n`
  test.each([
    { what: 'a probe by HTTP/1.0 without a host', send: () => get('GET /health HTTP/1.0'), status: 200 },
    { what: 'OPTIONS of the server', send: () => get('OPTIONS * HTTP/1.1', 'Host: x'), status: 204 },
    {
      what: 'a client that would rather speak HTTP/2',
      send: () =>
        get('GET /v1.0/whoami HTTP/1.1', 'Host: x', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA').replace(
          'close',
          'Upgrade, HTTP2-Settings',
        ),
      status: 200,
    },
    { what: 'a proxy that drops the handshake of a socket', send: () => get('GET /ws HTTP/1.1', 'Host: x'), status: 404 },
    { what: 'a method nobody knows', send: () => get('FROB /v1.0/widgets HTTP/1.1', 'Host: x'), status: 405 },
    { what: 'CONNECT', send: () => get('CONNECT x:443 HTTP/1.1', 'Host: x'), status: 405 },
  ])('$what is answered $status', async ({ send, status }) => {
    const { text } = await raw(
      socket => socket.write(send()),
      all => /\r\n\r\n(\{.*\}|$)/s.test(all),
    )
    expect(statusOf(text), text).toBe(status)
    if (status === 405) expect(text).toMatch(/^allow: .*GET/im)
    if (status >= 400) expect(bodyOf(text).error.request_id).toBeTypeOf('string')
  })
  test('ids in capitals are the same ids', async () => {
    const made = await fixture.request('POST', '/v1.0/widgets', { body: { name: 'capital' }, headers: key(tenant) })
    const read = await fixture.request('GET', `/v1.0/widgets/${made.body.id.toUpperCase()}`, { headers: key(tenant) })
    expect([read.status, read.body?.id]).toEqual([200, made.body.id])
  })
  test.each(['application/json; charset="UTF-8"', 'application/json;charset=utf8', 'application/problem+json'])(
    '%s is JSON',
    async type => {
      const headers = { ...key(tenant), 'content-type': type }
      expect((await fixture.request('POST', '/v1.0/widgets', { body: { name: 'a' }, headers })).status).toBe(201)
    },
  )
  test('who waits for 100 Continue gets it when the body is wanted, and the refusal when it is not', async () => {
    const ask = (length: number, credentials: string): string =>
      `POST /v1.0/widgets HTTP/1.1\r\nHost: x\r\n${credentials}Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`
    const own = `Authorization: AccessKey ${tenant.accesskey}\r\n`
    const refused = await Promise.all([raw(socket => socket.write(ask(12, ''))), raw(socket => socket.write(ask(2_000_000, own)))])
    expect(refused.map(({ text }) => statusOf(text))).toEqual([401, 413])
    const wanted = await raw(
      socket => {
        socket.write(ask(12, own))
        socket.once('data', () => socket.write('{"name":"a"}'))
      },
      all => all.includes('201 Created'),
    )
    expect(wanted.text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201/)
  })
  test('one after another on one connection, without waiting, is answered in that order', async () => {
    const ids = Array.from({ length: 8 }, (_, n) => `pipelined-${n}`)
    const { text } = await raw(
      socket =>
        socket.write(
          ids.map(id => get('GET /v1.0/whoami HTTP/1.1', 'Host: x', `X-Request-ID: ${id}`).replace('Connection: close\r\n', '')).join(''),
        ),
      all => all.split('HTTP/1.1 200').length === 9 && all.endsWith('}'),
    )
    expect([...text.matchAll(/x-request-id: (\S+)/gi)].map(match => match[1])).toEqual(ids)
  })
  test('somebody who leaves before the answer disturbs nobody, and what was asked for is done once', async () => {
    const hold = Promise.withResolvers<void>()
    fixture.state.hold = hold.promise
    const body = '{"name":"left"}'
    const before = fixture.runs('createWidget')
    const send = (socket: Socket): void => void socket.write(`${post(`Idempotency-Key: gone-1\r\nContent-Length: ${body.length}`)}${body}`)
    const socket = connect(Number(fixture.gateways[0]?.port), '127.0.0.1')
    send(socket)
    await expect.poll(() => fixture.runs('createWidget')).toBe(before + 1)
    socket.resetAndDestroy()
    fixture.state.hold = undefined
    hold.resolve()
    const again = () => fixture.request('POST', '/v1.0/widgets', { body, headers: { ...key(tenant), 'idempotency-key': 'gone-1' } })
    await expect.poll(async () => (await again()).status).toBe(201)
    expect((await again()).headers.get('idempotency-replayed')).toBe('true')
    expect(fixture.runs('createWidget')).toBe(before + 1)
  })
})

describe('slow, long and broken senders', () => {
  test('headers that do not end are cut off with 408', async () => {
    const { text, closed } = await raw(socket => socket.write('GET /v1.0/widgets HTTP/1.1\r\nHost: x\r\nX-A: 1'), undefined, hasty)
    expect([statusOf(text), closed, bodyOf(text).error.reason]).toEqual([408, true, 'REQUEST_TIMEOUT'])
  })
  test('a body that does not come is cut off with 408', async () => {
    const { text, closed } = await raw(socket => socket.write(`${post('Content-Length: 100')}{"name":`), undefined, hasty)
    expect([statusOf(text), closed, bodyOf(text).error.reason]).toEqual([408, true, 'REQUEST_TIMEOUT'])
  })
  test('a body announced as too long is refused before it comes', async () => {
    const { text, closed } = await raw(socket => socket.write(post('Content-Length: 1048577')))
    expect([statusOf(text), closed, bodyOf(text).error.reason]).toEqual([413, true, 'PAYLOAD_TOO_LARGE'])
  })
  test('a chunked body is refused when it passes 1 MB, while it is still being sent', async () => {
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
    let sent = 0
    const { text, closed } = await raw(socket => {
      socket.write(post('Transfer-Encoding: chunked'))
      const more = (): void => {
        while (!socket.destroyed && sent < 1_000 && socket.write(chunk)) sent++
        if (!socket.destroyed && sent < 1_000) socket.once('drain', more)
      }
      more()
    })
    expect([statusOf(text), closed]).toEqual([413, true])
    expect(sent).toBeLessThan(1_000)
  })
  test.each([
    { what: 'no HTTP', send: 'hello\r\n\r\n' },
    { what: 'no host', send: 'GET / HTTP/1.1\r\n\r\n' },
    { what: 'an unfinished request line', send: 'FROB\r\n\r\n' },
    { what: 'a bad host', send: 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n' },
    { what: 'two lengths', send: 'POST /v1.0/widgets HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n' },
    { what: 'headers of 20 kB', send: `GET / HTTP/1.1\r\nHost: x\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n` },
    { what: 'another expectation', send: 'POST /v1.0/widgets HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n' },
  ])('$what is answered 400 in the same form', async ({ send }) => {
    const { text } = await raw(
      socket => socket.write(send),
      text => /"details":\[.*\]\}\}/.test(text),
    )
    expect(statusOf(text)).toBe(400)
    expect(bodyOf(text).error).toMatchObject({ status: 'INVALID_ARGUMENT', reason: 'INVALID_ARGUMENT' })
  })
  test('a connection goes on after a refusal whose body was read', async () => {
    const bad = 'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'
    const { text } = await raw(
      socket => socket.write(bad + bad),
      all => all.split('HTTP/1.1 400').length === 3,
    )
    expect(text.split('HTTP/1.1 400')).toHaveLength(3)
  })
})

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { openCache } from '@voipbin/kernel'
import { testUrl, until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bearer, Fixture, key } from './fixture.ts'

/** A way to Redis that can be cut. */
class Line {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #cut = false
  private constructor(server: Server) {
    this.#server = server
  }

  static async open(): Promise<Line> {
    const target = new URL(testUrl('REDIS_URL'))
    const server = createServer()
    const line = new Line(server)
    server.on('connection', near => {
      if (line.#cut) return near.destroy()
      const far = connect(Number(target.port), target.hostname)
      for (const socket of [near, far]) {
        line.#sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => {
          near.destroy()
          far.destroy()
        })
      }
      near.pipe(far).pipe(near)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return line
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo
    return Object.assign(new URL(testUrl('REDIS_URL')), { hostname: '127.0.0.1', port }).href
  }
  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.destroy()
  }
  mend(): void {
    this.#cut = false
  }
  close(): void {
    this.cut()
    this.#server.close()
  }
}

let fixture: Fixture
let line: Line
let cache: ReturnType<typeof openCache>
beforeAll(async () => {
  line = await Line.open()
  fixture = await Fixture.open()
  // The second gateway reaches Redis over a line that the test cuts.
  cache = openCache({ url: line.url, prefix: fixture.prefix, command_ms: 30_000 })
  await cache.ready()
  await fixture.addGateway({ cache })
})
afterAll(async () => {
  await fixture.close()
  await cache.close()
  line.close()
})

test('with Redis away requests, logins, limits, logout and events go on; afterwards the numbers do', async () => {
  const who = fixture.tenant({ api: 5 })
  const free = fixture.tenant()
  const topics = [`customer_id:${free.customer_id}:widget`]
  const sockets = await Promise.all([0, 1].map(gateway => fixture.socket(`?accesskey=${free.accesskey}`, gateway)))
  for (const socket of sockets) await socket.ask({ type: 'subscribe', id: 's', topics })
  const create = async () =>
    (await fixture.request('POST', '/v1.0/widgets', { body: { name: 'w' }, headers: key(free), gateway: 1 })).body.id as string
  const fits = (id: string) => (frame: Record<string, unknown>) => frame.resource_id === id
  // On a busy machine Redis may answer too late for the first ones; then they have no number yet.
  let numbered = 0
  for (let tries = 0; numbered === 0 && tries < 20; tries++) {
    const id = await create()
    numbered = Number((await sockets[1]?.frame(fits(id)))?.seq)
  }
  expect(numbered).toBeGreaterThan(0)

  const token = await fixture.login(free, 1)
  line.cut()
  await until(() => !cache.available)
  expect((await fixture.request('GET', '/ready', { gateway: 1 })).body).toMatchObject({ status: 'ready', checks: { redis: 'away' } })
  const whoami = async (headers: Record<string, string>) => (await fixture.request('GET', '/v1.0/whoami', { headers, gateway: 1 })).status
  expect(await whoami(bearer(token))).toBe(200)
  expect(await whoami(bearer(await fixture.login(free, 1)))).toBe(200)
  const statuses = []
  for (let i = 0; i < 12; i++) statuses.push(await whoami(key(who)))
  expect(statuses.filter(status => status === 200)).toHaveLength(10)
  await fixture.request('POST', '/auth/logout', { headers: bearer(token), gateway: 1 })
  expect(await whoami(bearer(token))).toBe(401)

  const during = await create()
  expect((await sockets[1]?.frame(fits(during)))?.seq).toBe(0)
  expect((await sockets[0]?.frame(fits(during)))?.seq).toBe(numbered + 1)

  line.mend()
  await until(() => cache.available)
  const after = await until(async () => {
    const id = await create()
    const frame = await sockets[1]?.frame(fits(id))
    return Number(frame?.seq) > 0 ? frame : undefined
  })
  const other = await sockets[0]?.frame(fits(String(after.resource_id)))
  expect(other?.seq).toBe(after.seq)
  for (const socket of sockets) expect(socket.frames.filter(fits(during))).toHaveLength(1)
})

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { silentLogger } from '@voipbin/kernel'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { render } from '../../render.ts'
import { portBlock } from '../../testing/ports.ts'
import { sippCall } from '../../testing/sipp.ts'
import { type EdgeInstance, type Stack, startStack } from '../../testing/stack.ts'
import { until } from '../../testing/wait.ts'
import { Reloader } from './reloader.ts'
import { KamailioError, type KamailioRpc, openKamailioRpc } from './rpc.ts'

let stack: Stack
let edge: EdgeInstance
let rpc: KamailioRpc
beforeAll(async () => {
  stack = await startStack()
  const [first] = stack.edges
  if (first === undefined) throw new Error('no edge')
  edge = first
  rpc = openKamailioRpc(edge.control, edge.token)
})
afterAll(() => stack.stop())

const addresses = async () => JSON.stringify(await rpc.call('permissions.addressDump'))

test('a carrier may call after its row came and the reload, and not after both went', async () => {
  const port = (await portBlock(1)).next()
  const target = `127.0.0.1:${edge.outside.sip}`
  const attempt = (expect_: number) => sippCall('uac-refused', { target, port, values: { URI: `sip:1@${target}`, EXPECT: expect_ } })
  await attempt(403)
  await stack.sql(`INSERT INTO address (grp, ip_addr, mask, port, tag) VALUES (1, '127.0.0.1', 32, ${port}, 'p-1')`)
  await attempt(403)
  await rpc.reloadAddresses()
  expect(await addresses()).toContain('p-1')
  await attempt(503) // let in; no application is connected
  await stack.sql(`DELETE FROM address WHERE tag = 'p-1'`)
  await rpc.reloadAddresses()
  await attempt(403)
})

test('reload upon reload is accepted', async () => {
  for (let i = 0; i < 3; i++) {
    await rpc.reloadDispatcher()
    await rpc.reloadAddresses()
  }
})

test('an unknown method and an edge that is away are errors with the method in it', async () => {
  await expect(rpc.call('no.such')).rejects.toThrow(/^no\.such: /)
  const nobody = openKamailioRpc(`http://127.0.0.1:${(await portBlock(1)).next()}`, 'any')
  await expect(nobody.reloadAddresses()).rejects.toBeInstanceOf(KamailioError)
})

test('nobody without the token is heard', async () => {
  await expect(openKamailioRpc(edge.control, 'guessed').call('core.version')).rejects.toBeInstanceOf(KamailioError)
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'core.version' })
  expect((await fetch(`${edge.control}/rpc`, { method: 'POST', body })).status).toBe(401)
  expect((await fetch(`${edge.control}/health`)).status).toBe(200)
})

test('the reloader goes on until the edge is there, and never runs two reloads at once', async () => {
  const port = (await portBlock(1)).next()
  const reloader = new Reloader([{ name: 'late', rpc: openKamailioRpc(`http://127.0.0.1:${port}`, 'any') }], silentLogger)
  reloader.start()
  const seen: string[] = []
  let active = 0
  let most = 0
  const server = createServer((request, response) => {
    most = Math.max(most, ++active)
    let body = ''
    request.on('data', data => {
      body += data
    })
    request.on('end', () => {
      const { method, id } = JSON.parse(body) as { method: string; id: number }
      seen.push(method)
      if (method === 'permissions.addressReload' && seen.length < 5) reloader.addressesChanged()
      active--
      response.end(JSON.stringify({ jsonrpc: '2.0', result: 'ok', id }))
    })
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  await until('both reloads', () => new Set(seen).size === 2 && seen.length >= 5)
  reloader.stop()
  expect(most).toBeLessThanOrEqual(2)
  await new Promise(resolve => server.close(resolve))
})

test("the views over the platform's tables replace the stand-ins", async () => {
  const platform = `voipbin_${randomBytes(4).toString('hex')}`
  const id = '01890000-0000-7000-8000-000000000002'
  const domain = `acme.registrar.${stack.domain}`
  const row = (extension: string, tm_delete: string) =>
    `('${extension}', '${domain}', MD5('${extension}:${domain}:secret'), '${tm_delete}')`
  await stack.sql(`
    INSERT INTO address (grp, ip_addr, mask, port, tag) VALUES (2, '127.0.1.9', 32, 5060, 'edge9');
    CREATE DATABASE ${platform};
    CREATE TABLE ${platform}.registrar_extensions (extension VARCHAR(64), domain VARCHAR(255), ha1 CHAR(32), tm_delete DATETIME(6));
    INSERT INTO ${platform}.registrar_extensions VALUES ${row('2001', '9999-01-01')}, ${row('2002', '2026-01-01')};
    CREATE TABLE ${platform}.route_provider_addresses (provider_id VARCHAR(36), ip_addr VARCHAR(45), mask TINYINT UNSIGNED, port SMALLINT UNSIGNED);
    INSERT INTO ${platform}.route_provider_addresses VALUES ('${id}', '198.51.100.16', 28, 0);`)
  try {
    await stack.sql(render(readFileSync(join(import.meta.dirname, '../../kamailio/views.sql'), 'utf8'), { PLATFORM_DB: platform }))
    await rpc.reloadAddresses()
    expect(await addresses()).toContain('edge9')
    expect(JSON.stringify(await rpc.call('permissions.subnetDump'))).toMatch(new RegExp(`198\\.51\\.100\\.16.*${id}`))
    const target = `127.0.0.1:${edge.outside.sip}`
    await sippCall('register', { target, values: { USER: '2001', PASSWORD: 'secret', DOMAIN: domain } })
    await sippCall('register', { target, values: { USER: '2002', PASSWORD: 'secret', DOMAIN: domain, EXPECT: 403 } })
  } finally {
    await stack.sql(`DROP DATABASE ${platform}`)
  }
})

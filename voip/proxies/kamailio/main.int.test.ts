import { type ChildProcess, spawn } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { openBus, silentLogger } from '@voipbin/kernel'
import { testPrefix, testUrl } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { end } from '../../testing/inroot.ts'
import { portBlock } from '../../testing/ports.ts'
import { until } from '../../testing/wait.ts'

const prefix = `${testPrefix('edgeproxy')}.`
const asked: string[] = []
let edge: Server
let child: ChildProcess

beforeAll(async () => {
  const ports = await portBlock(2)
  const control = ports.next()
  edge = createServer((request, response) => {
    let body = ''
    request.on('data', data => {
      body += data
    })
    request.on('end', () => {
      const { method, id } = JSON.parse(body) as { method: string; id: number }
      asked.push(method)
      response.end(JSON.stringify({ jsonrpc: '2.0', result: 'ok', id }))
    })
  })
  await new Promise<void>(resolve => edge.listen(control, '127.0.0.1', resolve))
  const health = ports.next()
  child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: {
      PATH: process.env.PATH,
      EDGES: `edge1=http://127.0.0.1:${control}`,
      EDGE_TOKEN: 'a token of some length',
      AMQP_URL: testUrl('AMQP_URL'),
      REDIS_PREFIX: prefix,
      PORT_HEALTH: String(health),
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await until('the process', async () => (await fetch(`http://127.0.0.1:${health}/ready`)).ok, 120_000)
})

afterAll(async () => {
  await end(child)
  const bus = await openBus({ url: testUrl('AMQP_URL'), log: silentLogger, prefix })
  const channel = await bus.consuming.open({}).ready(30_000)
  for (const queue of ['kamailio.route.events', 'kamailio.route.events.dlq', 'bin-manager.kamailio.request'])
    await channel.deleteQueue(prefix + queue)
  await channel.deleteExchange(`${prefix}route.events`)
  await bus.close()
  await new Promise(resolve => edge.close(resolve))
})

test('both tables are read at the start, and the addresses again after each change of a provider', async () => {
  await until('the first reloads', () => asked.includes('dispatcher.reload') && asked.includes('permissions.addressReload'))
  const bus = await openBus({ url: testUrl('AMQP_URL'), log: silentLogger, prefix })
  const channel = await bus.publishing.open({ confirm: true }).ready(30_000)
  for (const event_type of ['provider.created', 'provider.updated', 'provider.deleted', 'route.created']) {
    const before = asked.length
    const event = {
      event_id: crypto.randomUUID(),
      event_type,
      timestamp: new Date().toISOString(),
      customer_id: '',
      resource_type: 'provider',
      resource_id: event_type,
      resource_seq: 1,
      request_id: '',
      data: {},
    }
    channel.publish(`${prefix}route.events`, event_type, Buffer.from(JSON.stringify(event)))
    if (event_type.startsWith('provider.')) await until(`the reload after ${event_type}`, () => asked.length === before + 1)
  }
  expect(asked.filter(method => method === 'permissions.addressReload')).toHaveLength(4)
  expect(asked.filter(method => method === 'dispatcher.reload')).toHaveLength(1)
  await bus.close()
})

test('a configuration value that is wrong refuses the boot by its name', async () => {
  const bad = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: { PATH: process.env.PATH, EDGES: 'edge1', AMQP_URL: testUrl('AMQP_URL') },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  bad.stderr.on('data', (data: Buffer) => {
    said += data
  })
  const code = await new Promise(resolve => bad.once('close', resolve))
  expect(code).not.toBe(0)
  expect(said).toContain('EDGES: must name each edge')
})

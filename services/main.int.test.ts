import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { openBus, silentLogger } from '@voipbin/kernel'
import { testDatabase, testPrefix, testUrl, until } from '@voipbin/kernel/testing'
import { expect, test } from 'vitest'

const program = join(import.meta.dirname, 'main.ts')
const key = Buffer.alloc(32, 7).toString('base64')

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** The names two services leave on the broker under a prefix. */
async function removeNames(prefix: string): Promise<void> {
  const bus = await openBus({ url: testUrl('AMQP_URL'), log: silentLogger, prefix })
  const channel = await bus.consuming.open({}).ready(30_000)
  const queues = ['bin-manager.customer.request', 'bin-manager.agent.request', 'agent.customer.events', 'agent.customer.events.dlq']
  for (const queue of queues) await channel.deleteQueue(bus.named(queue))
  for (const domain of ['customer', 'agent']) await channel.deleteExchange(bus.named(`${domain}.events`))
  await bus.close()
}

function run(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data))
  return { child, output: () => output, ended: once(child, 'exit') as Promise<[number | null, string | null]> }
}

test.each(['SIGTERM', 'SIGINT'] as const)('starts, says when it is ready, and ends with 0 on %s', async signal => {
  await using database = await testDatabase({
    migrations: ['customer', 'agent'].map(name => ({ name, folder: join(import.meta.dirname, name, 'migrations') })),
  })
  const port = await freePort()
  const prefix = `${testPrefix('main')}.`
  const env = {
    MYSQL_URL: database.url,
    REDIS_URL: testUrl('REDIS_URL'),
    AMQP_URL: testUrl('AMQP_URL'),
    REDIS_PREFIX: prefix,
    INSTALLATION_KEY: key,
    PORT_HEALTH: String(port),
  }
  const { child, output, ended } = run(['customer', 'agent'], env)
  try {
    const ready = async () => (await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined))?.status === 200
    await until(ready, { what: 'ready' })
    expect(await (await fetch(`http://127.0.0.1:${port}/ready`)).json()).toMatchObject({
      checks: { services: 'ok', mysql: 'ok', redis: 'ok' },
    })
    child.kill(signal)
    expect(await ended).toEqual([0, null])
    expect(output()).toContain('services stopped')
  } finally {
    child.kill('SIGKILL')
    await removeNames(prefix)
  }
})

test.each([
  { what: 'an unknown service', args: ['queue'], message: /^unknown service queue; known services: call, customer/ },
  {
    what: 'a setting that is missing',
    args: ['registrar'],
    message: /configuration refused:\n {2}SIP_DOMAIN: is missing; must be a domain name/,
  },
])('$what ends it with a sentence', async ({ args, message }) => {
  const env = {
    MYSQL_URL: testUrl('MYSQL_URL'),
    REDIS_URL: testUrl('REDIS_URL'),
    AMQP_URL: testUrl('AMQP_URL'),
    INSTALLATION_KEY: key,
    PORT_HEALTH: '0',
    LOG_LEVEL: 'silent',
  }
  const { output, ended } = run(args, env)
  expect(await ended).toEqual([1, null])
  expect(output()).toMatch(message)
  expect(output()).not.toContain('    at ')
})

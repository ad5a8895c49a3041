// The other processes of the floors: the bare libraries doing the least that could do the same. `node floors.ts <role> <json>`.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { connect } from 'amqplib'
import { Hono } from 'hono'
import { createConnection } from 'mysql2/promise'
import { WebSocketServer } from 'ws'
import { setting } from './measure.ts'

const [role = '', text = '{}'] = process.argv.slice(2)
const given = JSON.parse(text) as { queue?: string; exchange?: string; database?: string }
const tell = (message: object): void => void process.send?.(message)
const named = (name: 'queue' | 'exchange' | 'database'): string => {
  const value = given[name]
  if (!value) throw new Error(`${role} needs ${name}`)
  return value
}

/** A row about as wide as a call's. */
export const wide = {
  source: { type: 'tel', target: '+15551230100' },
  destination: { type: 'extension', target: '1002' },
  detail: 'x'.repeat(400),
}

const roles: Record<string, () => Promise<void>> = {
  /** Everything from a quorum queue to every socket. */
  frames: async () => {
    const server = createServer()
    const sockets = new WebSocketServer({ server })
    const channel = await (await connect(setting('AMQP_URL'), { noDelay: true })).createChannel()
    await channel.assertExchange(named('exchange'), 'fanout', { durable: true })
    await channel.assertQueue(named('queue'), { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-expires': 60_000 } })
    await channel.bindQueue(named('queue'), named('exchange'), '')
    await channel.prefetch(200)
    await channel.consume(named('queue'), message => {
      if (!message) return
      for (const socket of sockets.clients) socket.send(message.content, { binary: false })
      channel.ack(message)
    })
    server.listen(0, '127.0.0.1', () => tell({ port: (server.address() as AddressInfo).port }))
  },
  /** One transaction of two rows for each request: what was made, and what tells of it. */
  responder: async () => {
    const database = await createConnection({ uri: named('database') })
    await database.query('CREATE TABLE rows_made (id VARCHAR(36) PRIMARY KEY, body JSON NOT NULL)')
    await database.query('CREATE TABLE outbox (id BIGINT AUTO_INCREMENT PRIMARY KEY, body JSON NOT NULL)')
    const channel = await (await connect(setting('AMQP_URL'), { noDelay: true })).createChannel()
    await channel.assertQueue(named('queue'), { durable: true, autoDelete: true })
    await channel.prefetch(64)
    await channel.consume(named('queue'), async message => {
      if (!message) return
      const { id, body } = JSON.parse(message.content.toString()) as { id: string; body: object }
      const made = JSON.stringify({ ...wide, ...body, id })
      await database.beginTransaction()
      await database.execute('INSERT INTO rows_made (id, body) VALUES (?, ?)', [id, made])
      await database.execute('INSERT INTO outbox (body) VALUES (?)', [made])
      await database.commit()
      channel.sendToQueue(message.properties.replyTo, Buffer.from(made), { correlationId: message.properties.correlationId })
      channel.ack(message)
    })
    tell({})
  },
  /** Hono in front of the responder. */
  server: async () => {
    const channel = await (await connect(setting('AMQP_URL'), { noDelay: true })).createChannel()
    const waiting = new Map<string, (answer: object) => void>()
    await channel.consume(
      'amq.rabbitmq.reply-to',
      message => {
        if (!message) return
        waiting.get(message.properties.correlationId)?.(JSON.parse(message.content.toString()) as object)
        waiting.delete(message.properties.correlationId)
      },
      { noAck: true },
    )
    const app = new Hono()
    app.post('/v1.0/calls', async c => {
      const id = crypto.randomUUID()
      const body = Buffer.from(JSON.stringify({ id, body: await c.req.json() }))
      const answer = await new Promise<object>(resolve => {
        waiting.set(id, resolve)
        channel.sendToQueue(named('queue'), body, { replyTo: 'amq.rabbitmq.reply-to', correlationId: id })
      })
      return c.json(answer, 201)
    })
    serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => tell({ port }))
  },
}
await roles[role]?.()

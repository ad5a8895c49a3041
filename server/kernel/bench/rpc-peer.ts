// The answering side of rpc.bench.ts, in a process of its own: `ours` through serve(), `floor` with bare amqplib.
import { connect } from 'amqplib'
import { z } from 'zod'
import { openBus } from '../src/bus.ts'
import { noCache } from '../src/cache.ts'
import type { CallTable } from '../src/contract.ts'
import { openHttp } from '../src/http.ts'
import { silentLogger } from '../src/log.ts'
import { serve } from '../src/serve.ts'
import type { Service } from '../src/service.ts'

const [kind, url = '', prefix = ''] = process.argv.slice(2)

export const echoRow = { method: 'POST', route: '/v1/calls', query: [], timeout_ms: 30_000 } as const
const address = z.strictObject({ type: z.enum(['tel', 'agent']), target: z.string().max(255) })
const input = z.strictObject({ source: address, destinations: z.array(address).max(10), note: z.string().max(255) })

async function floor(): Promise<void> {
  const connection = await connect(url, { noDelay: true })
  const channel = await connection.createChannel()
  const queue = `${prefix}floor`
  await channel.assertQueue(queue, { durable: true })
  await channel.prefetch(64)
  await channel.consume(queue, message => {
    if (!message) return
    const request = JSON.parse(message.content.toString())
    const answer = { message_id: request.message_id, status_code: 200, body: request.body }
    channel.sendToQueue(message.properties.replyTo, Buffer.from(JSON.stringify(answer)), {
      correlationId: message.properties.correlationId,
    })
    channel.ack(message)
  })
}

async function ours(): Promise<void> {
  const bus = await openBus({ url, log: silentLogger, prefix })
  const calls = { createCall: { ...echoRow, queue: 'bin-manager.bench.request' } } as CallTable
  const service: Service = {
    contract: { name: 'bench', methods: { createCall: { ...echoRow, input, errors: [] } } as never, emits: {}, consumes: {}, calls },
    handlers: { createCall: async (_ctx, body) => body },
    consumers: {},
    timers: {},
    jobs: {},
    resources: {},
  }
  await serve([service], { bus, cache: noCache, http: openHttp(), log: silentLogger, errors: {} })
}

if (kind) {
  await (kind === 'floor' ? floor() : ours())
  process.send?.('ready')
}

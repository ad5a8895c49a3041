// The bare thing: one undici POST and one mysql2 INSERT each, as many at a time as the service sends to one endpoint; `queue`: for each event that comes
// from a quorum queue, acked after its INSERT.
import { connect } from 'amqplib'
import { createPool, type Pool } from 'mysql2/promise'
import { Agent, request } from 'undici'

interface Job {
  mysql_url: string
  url: string
  count: number
  at_once: number
  /** Without a queue: what is sent. */
  body: string
  queue?: { amqp_url: string; name: string; prefetch: number }
}

const insert =
  'INSERT INTO bench_floor (id, uri, event_type, status_code, duration_ms, request_body, response_body, tm_create) VALUES (?, ?, ?, ?, ?, ?, ?, NOW(6))'

process.on('message', async (job: Job) => {
  const pool = createPool({ uri: job.mysql_url, connectionLimit: 20 })
  const agent = new Agent({ connections: job.at_once })
  const deliver = (body: string) => postAndInsert(pool, agent, job.url, body)
  const started = performance.now()
  if (job.queue) await consume(job.queue, job.count, deliver)
  else {
    let next = 0
    const worker = async () => {
      while (next++ < job.count) await deliver(job.body)
    }
    await Promise.all(Array.from({ length: job.at_once }, worker))
  }
  process.send?.({ per_s: (job.count / (performance.now() - started)) * 1000 })
  await pool.end()
  await agent.close()
})
process.on('disconnect', () => process.exit())
process.send?.('ready')

async function postAndInsert(pool: Pool, agent: Agent, url: string, body: string): Promise<void> {
  const at = performance.now()
  const answer = await request(url, { dispatcher: agent, method: 'POST', body, headers: { 'content-type': 'application/json' } })
  const text = await answer.body.text()
  const values = [crypto.randomUUID(), url, 'call.created', answer.statusCode, Math.round(performance.now() - at), body, text]
  await pool.query(insert, values)
}

async function consume({ amqp_url, name, prefetch }: NonNullable<Job['queue']>, count: number, deliver: (body: string) => Promise<void>) {
  const connection = await connect(amqp_url, { noDelay: true })
  const channel = await connection.createChannel()
  await channel.prefetch(prefetch)
  let left = count
  const { promise, resolve } = Promise.withResolvers<void>()
  await channel.consume(name, async message => {
    if (!message) return
    const { event_id, event_type, timestamp, data } = JSON.parse(message.content.toString())
    await deliver(JSON.stringify({ id: event_id, type: event_type, created: timestamp, data }))
    channel.ack(message)
    if (--left === 0) resolve()
  })
  await promise
  // Behind the acks on its way, so that none of them is lost and comes again in the next round.
  await channel.close()
  await connection.close()
}

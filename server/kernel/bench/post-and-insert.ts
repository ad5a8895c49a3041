// The bare thing: one undici POST and one mysql2 INSERT each, as many at a time as the service sends to one endpoint.
import { createPool } from 'mysql2/promise'
import { Agent, request } from 'undici'

interface Job {
  mysql_url: string
  url: string
  count: number
  at_once: number
  body: string
}

process.on('message', async ({ mysql_url, url, count, at_once, body }: Job) => {
  const pool = createPool({ uri: mysql_url, connectionLimit: 20 })
  const agent = new Agent({ connections: at_once })
  const insert =
    'INSERT INTO bench_floor (id, uri, event_type, status_code, duration_ms, request_body, response_body, tm_create) VALUES (?, ?, ?, ?, ?, ?, ?, NOW(6))'
  let next = 0
  const started = performance.now()
  const worker = async () => {
    while (next++ < count) {
      const at = performance.now()
      const answer = await request(url, { dispatcher: agent, method: 'POST', body, headers: { 'content-type': 'application/json' } })
      const text = await answer.body.text()
      const values = [crypto.randomUUID(), url, 'call.created', answer.statusCode, Math.round(performance.now() - at), body, text]
      await pool.query(insert, values)
    }
  }
  await Promise.all(Array.from({ length: at_once }, worker))
  process.send?.({ per_s: (count / (performance.now() - started)) * 1000 })
  await pool.end()
  await agent.close()
})
process.send?.('ready')

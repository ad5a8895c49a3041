// POST /v1.0/calls to 201, one after another. Ours: credentials, limits, validation, ownership, idempotency, RPC, destination, row with events, timers and audit in one
// transaction. Floor: hono → amqplib → one transaction of two rows → back. The callee is an extension nobody has registered, so each call ends by itself.
// Needs VOIPBIN_STATE, AMQP_URL and MYSQL_URL (of somebody who may make a database).
import { createConnection } from 'mysql2/promise'
import { Client } from 'undici'
import { platform } from '../support/platform.ts'
import { liftLimits, median, row, setting } from './measure.ts'
import { peer } from './peer.ts'

const rounds = Number(process.env.BENCH_ROUNDS ?? 5)
const perRound = Number(process.env.BENCH_CALLS ?? 20)
const state = platform()

const body = JSON.stringify({
  source: { type: 'tel', target: state.demo.number },
  destinations: [{ type: 'extension', target: state.demo.extensions.at(-1)?.extension ?? '1002' }],
  dial_timeout: 5,
})

/** Milliseconds of one request after another. */
async function measure(client: Client, count: number, headers: Record<string, string>): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < count; n++) {
    const began = performance.now()
    const { statusCode, body: answer } = await client.request({
      method: 'POST',
      path: '/v1.0/calls',
      headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID(), ...headers },
      body,
    })
    const text = await answer.text()
    if (statusCode !== 201) throw new Error(`${statusCode} ${text}`)
    times.push(performance.now() - began)
  }
  return times
}

const name = `bench_${process.pid}`
const root = await createConnection({ uri: setting('MYSQL_URL') })
await root.query(`CREATE DATABASE ${name}`)
const database = new URL(setting('MYSQL_URL'))
database.pathname = `/${name}`
const given = { queue: `bench${process.pid}.calls`, database: database.href }
const responder = await peer('responder', given)
const server = await peer('server', given)
const restore = await liftLimits(state)
const sides = {
  floor: { client: new Client(`http://127.0.0.1:${server.port}`), headers: {} },
  ours: { client: new Client(new URL(state.api_url).origin), headers: { authorization: `AccessKey ${state.demo.accesskey}` } },
}
try {
  const found = { ours: [] as number[], floor: [] as number[] }
  for (const { client, headers } of Object.values(sides)) await measure(client, 5, headers)
  for (let n = 0; n < rounds; n++) {
    for (const side of ['floor', 'ours'] as const)
      found[side].push(median(await measure(sides[side].client, perRound, sides[side].headers)))
  }
  row('create_call_p50_ms', median(found.ours), median(found.floor))
} finally {
  for (const { client } of Object.values(sides)) await client.close()
  await restore()
  await server.stop()
  await responder.stop()
  await root.query(`DROP DATABASE ${name}`)
  await root.end()
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { calls } from '../test/fixture.ts'
import { amqpUrl, caller, log, until, type World, world } from '../test/setup.ts'
import type { FaultPoint } from './fault.ts'
import { uuid7 } from './id.ts'
import { RpcClient } from './rpc-client.ts'

const kills = 20
const seed = Number(process.env.FAULT_SEED ?? Math.floor(Math.random() * 1e9))

/** Mulberry32: small, and the same everywhere for one seed. */
const random = (state: number) => () => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const children = new Set<ChildProcess>()
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** Loads the next process while this one is running: most of a start is the loading of modules. */
function spawn(w: World, fault?: string): ChildProcess {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'voipbin-test-compile'), ...(fault && { VOIPBIN_FAULT_POINT: fault }) }
  const child = fork(new URL('../test/fault-process.ts', import.meta.url), [amqpUrl(), w.url, w.prefix], { env, execArgv: [] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** Resolves when it takes requests, or has been killed before that. */
async function start(child: ChildProcess): Promise<ChildProcess> {
  child.send('go')
  await Promise.race([once(child, 'message'), once(child, 'exit')])
  return child
}

/** Asks until there is an answer, as one request. */
async function insist(rpc: RpcClient, operation: string, input: object): Promise<unknown> {
  const message_id = uuid7()
  for (;;) {
    try {
      return await rpc.call(caller({ deadline: Date.now() + 3_000 }), operation, input, { message_id })
    } catch (error) {
      const { status } = error as { status?: string }
      if (status !== 'UNAVAILABLE' && status !== 'DEADLINE_EXCEEDED') throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}

const points: FaultPoint[] = ['outbox.after_commit', 'outbox.before_delete', 'consumer.before_ack', 'rpc.before_ack', 'timer.before_done']

// Side by side, each with a database and a name space of its own: most of the time goes by waiting for processes.
test.concurrent.each(points)('killed 20 times at %s nothing is lost, doubled or out of order', { timeout: 400_000 }, async point => {
  await using w = await world()
  const rpc = new RpcClient(w.bus, calls, { log, breaker_ms: 200 })
  await rpc.ready(30_000)
  console.log(`${point}: FAULT_SEED=${seed}`)
  const next = random(seed)
  const items = Array.from({ length: 4 }, () => uuid7())
  const expected = new Map(items.map(id => [id, { hits: 0, events: 1, notes: 0 }]))
  const timers: string[] = []
  let running = true

  const drive = async (id: string) => {
    const mine = expected.get(id) ?? { hits: 0, events: 0, notes: 0 }
    await insist(rpc, 'createItem', { id, name: 'fault' })
    for (let i = 0; running; i++) {
      if (i % 3 === 0) {
        await insist(rpc, 'noteItem', { id, text: `n${i}` })
        mine.notes++
        mine.hits += 2
        mine.events += 2
      } else if (i % 3 === 1) {
        expect(await insist(rpc, 'hitItem', { id, times: 2 })).toEqual({ done: [0, 1] })
        mine.hits += 2
        mine.events += 2
      } else {
        const key = uuid7()
        await insist(rpc, 'ringItem', { id: key, after_ms: 30 })
        timers.push(key)
      }
    }
  }

  const spare = () => spawn(w, `${point}:${1 + Math.floor(next() * 6)}`)
  let following = spare()
  const drivers = Promise.all(items.map(drive))
  for (let killed = 0; killed < kills; killed++) {
    const child = following
    following = killed < kills - 1 ? spare() : spawn(w)
    await start(child)
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    expect(child.signalCode).toBe('SIGKILL')
  }
  running = false
  const last = await start(following)
  await drivers
  for (const [id, want] of expected) {
    const heard = await until(async () => {
      const rows = await w.query<{ resource_seq: number }>('SELECT resource_seq FROM beta_heard WHERE resource_id = ? ORDER BY n', [id])
      return rows.length >= want.events && rows
    }, 90_000)
    expect(heard.map(row => row.resource_seq)).toEqual(Array.from({ length: want.events }, (_, i) => i + 1))
    expect(await w.query('SELECT hits FROM alpha_items WHERE id = ?', [id])).toEqual([{ hits: want.hits }])
    expect(await w.query('SELECT COUNT(*) AS n FROM beta_notes WHERE item_id = ?', [id])).toEqual([{ n: want.notes }])
  }
  await until(async () => (await w.query('SELECT 1 FROM alpha_timers')).length === 0, 90_000)
  const rung = await w.query<{ timer_key: string }>('SELECT timer_key FROM alpha_rung')
  const mine = rung.map(row => row.timer_key).filter(key => timers.includes(key.slice(5)))
  expect(mine.length).toBe(timers.length)
  expect(new Set(mine).size).toBe(timers.length)
  await until(async () => (await w.query('SELECT 1 FROM alpha_outbox')).length === 0)
  const total = [...expected.values()].reduce((sum, { events }) => sum + events, 0)
  console.log(`${point}: ${kills} kills, ${total} events, ${timers.length} timers, all once and in order`)
  last.kill('SIGTERM')
  await once(last, 'exit')
  await rpc.close()
})

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Client } from 'undici'

// Cached GET through gateway, RPC and service cache, against the least that could do the same: bare hono, one Redis script, one bare amqplib round trip.
// Each side is two processes besides this one. Rounds alternate, medians count. Needs MYSQL_URL, REDIS_URL and AMQP_URL.

const rounds = 5
const seconds = Number(process.env.BENCH_SECONDS ?? 3)

interface Side {
  name: string
  processes: ChildProcess[]
  origin: string
  path: string
  headers: Record<string, string>
}

async function start(name: string, roles: readonly string[]): Promise<Side> {
  const processes: ChildProcess[] = []
  let ready: { port?: number; path?: string; headers?: Record<string, string> } = {}
  for (const role of roles) {
    const child = fork(new URL('./get.sides.ts', import.meta.url), [role, JSON.stringify(ready)], { stdio: 'inherit' })
    processes.push(child)
    const [message] = (await once(child, 'message')) as [typeof ready]
    ready = { ...ready, ...message }
  }
  return { name, processes, origin: `http://127.0.0.1:${ready.port}`, path: ready.path ?? '/', headers: ready.headers ?? {} }
}

/** CPU time of both processes of a side so far, in microseconds. */
async function cpuOf({ processes }: Side): Promise<number> {
  let total = 0
  for (const child of processes) {
    child.send('cpu')
    const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage]
    total += user + system
  }
  return total
}

/** Requests with so many in flight; returns the times in milliseconds, the rate, and microseconds of CPU per request. */
async function load(side: Side, inFlight: number): Promise<{ p50: number; rate: number; cpu: number }> {
  const { origin, path, headers } = side
  const times: number[] = []
  const before = await cpuOf(side)
  const end = performance.now() + seconds * 1_000
  const started = performance.now()
  const one = async (): Promise<void> => {
    const client = new Client(origin)
    while (performance.now() < end) {
      const at = performance.now()
      const { statusCode, body } = await client.request({ method: 'GET', path, headers })
      await body.dump()
      if (statusCode !== 200) throw new Error(`${origin} answered ${statusCode}`)
      times.push(performance.now() - at)
    }
    await client.close()
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  const rate = (times.length * 1_000) / (performance.now() - started)
  return { p50: median(times), rate, cpu: ((await cpuOf(side)) - before) / times.length }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

const floor = await start('floor', ['floor-responder', 'floor-server'])
const ours = await start('ours', ['our-service', 'our-gateway'])
const both = () => ({ ours: [] as number[], floor: [] as number[] })
const found = { p50: both(), rate: both(), cpu: both() }
for (const side of [floor, ours]) await load(side, 32)
for (let round = 0; round < rounds; round++) {
  for (const [key, side] of [
    ['floor', floor],
    ['ours', ours],
  ] as const) {
    found.p50[key].push((await load(side, 1)).p50)
    const { rate, cpu } = await load(side, 32)
    found.rate[key].push(rate)
    found.cpu[key].push(cpu)
  }
}
const row = (name: string, mine: number, least: number, ratio: number): void =>
  console.log(`${name} ${mine.toFixed(3)} ${least.toFixed(3)} ${ratio.toFixed(2)}`)
const p50 = { ours: median(found.p50.ours), floor: median(found.p50.floor) }
const rate = { ours: median(found.rate.ours), floor: median(found.rate.floor) }
const cpu = { ours: median(found.cpu.ours), floor: median(found.cpu.floor) }
console.log('name ours floor ratio')
row('cached_get_p50_ms_at_1', p50.ours, p50.floor, p50.ours / p50.floor)
row('cached_get_per_s_at_32', rate.ours, rate.floor, rate.floor / rate.ours)
// Gateway and service without Redis and broker: says the same on a busy machine, where the rows above do not.
row('cached_get_cpu_us_at_32', cpu.ours, cpu.floor, cpu.ours / cpu.floor)
for (const child of [...floor.processes, ...ours.processes]) child.send('stop')
await Promise.all([...floor.processes, ...ours.processes].map(child => once(child, 'exit')))

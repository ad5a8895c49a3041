// CPU milliseconds each process spends on one call: a carrier calls a number, the flow answers, waits two seconds and hangs up. Read from /proc for every process of the
// platform with all its children, over many calls, less what the same processes spend in the same time without calls. There is nothing to compare it with but
// that idle time, which stands where other rows have the floor: `ours` is per call, `floor` the idle CPU of the time one call took.
// Needs VOIPBIN_STATE and VOIPBIN_INROOT.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { sipp } from '../../voip/testing/sipp.ts'
import { addCarrier } from '../support/carrier.ts'
import { clientOf, edgeOf, operatorClient, platform } from '../support/platform.ts'
import { liftLimits, pause, row } from './measure.ts'

const calls = Number(process.env.BENCH_CALLS ?? 30)
const talk_ms = 2_000
const state = platform()
const tick_ms = 1_000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

interface Task {
  pid: number
  parent: number
  /** CPU of itself and of children that have ended. */
  ticks: number
}

/** Every process of the machine; one that ends while we look is left out. */
function tasks(): Task[] {
  return readdirSync('/proc').flatMap(name => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      // Behind the last bracket: the name before it may hold anything. Fields 4 and 14 to 17 of proc(5).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0)
      return [{ pid: Number(name), parent: Number(fields[1]), ticks }]
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
      throw error
    }
  })
}

/** CPU milliseconds of each process of the platform so far, its living descendants included. */
function usage(): Map<string, number> {
  const all = tasks()
  const total = (pid: number): number =>
    (all.find(task => task.pid === pid)?.ticks ?? 0) +
    all.filter(task => task.parent === pid).reduce((sum, child) => sum + total(child.pid), 0)
  return new Map(Object.entries(state.processes).map(([name, { pid }]) => [name, total(pid) * tick_ms]))
}

async function spent(work: () => Promise<unknown>): Promise<{ cpu: Map<string, number>; ms: number }> {
  const [before, began] = [usage(), performance.now()]
  await work()
  const [after, ms] = [usage(), performance.now() - began]
  return { ms, cpu: new Map([...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)])) }
}

const operator = await operatorClient(state)
const restore = await liftLimits(state)
const client = clientOf(state, state.demo)
const carrier = await addCarrier(state, operator, { name: 'Bench caller', ip: '127.0.0.62' })
const flow = await client.flows.create({
  name: 'bench',
  actions: [{ type: 'answer' }, { type: 'sleep', option: { duration: talk_ms } }, { type: 'hangup' }],
})
const number = (await client.numbers.list()).result.find(one => one.number === state.demo.number)
if (!number) throw new Error('the demo customer has no number')
await client.numbers.update(number.id, { call_flow_id: flow.id })

const callIn = async (count: number): Promise<void> => {
  const edge = edgeOf(state)
  const values = { URI: `sip:${state.demo.number}@${edge}`, FROM: `<sip:+15551239999@${carrier.ip}>` }
  const run = await sipp('uac-wait-bye', { target: edge, ip: carrier.ip, calls: count, values, timeout_ms: count * 20_000 })
  const { successful, errors } = await run.result
  if (successful !== count) throw new Error(`${successful} of ${count} calls went well\n${errors}`)
}

try {
  await callIn(2)
  const busy = await spent(() => callIn(calls))
  // What follows a call (charges, webhooks, caches) is over by then.
  await pause(3_000)
  const idle = await spent(() => pause(Math.min(busy.ms, 30_000)))
  const idlePerCall = (name: string): number => ((idle.cpu.get(name) ?? 0) * (busy.ms / idle.ms)) / calls
  let sum = { ours: 0, floor: 0 }
  for (const name of [...busy.cpu.keys()].sort()) {
    const floor = idlePerCall(name)
    const ours = Math.max(0, (busy.cpu.get(name) ?? 0) / calls - floor)
    sum = { ours: sum.ours + ours, floor: sum.floor + floor }
    row(`cpu_ms_per_call_${name.replaceAll('-', '_')}`, ours, floor)
  }
  row('cpu_ms_per_call', sum.ours, sum.floor)
} finally {
  await client.numbers.update(number.id, { call_flow_id: number.call_flow_id })
  await client.flows.delete(flow.id)
  await carrier.remove()
  await restore()
}

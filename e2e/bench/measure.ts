import type { VoIPBIN } from '@voipbin/sdk'
import { operatorClient, type State } from '../support/platform.ts'

/** The value below which `share` of all lie; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** One row for programs. `ratio` is ours to floor, how many times the least that could do it; `-` where the floor is nothing. */
export const row = (name: string, ours: number, floor: number): void =>
  console.log(`${name} ${ours.toFixed(3)} ${floor.toFixed(3)} ${floor > 0 ? (ours / floor).toFixed(2) : '-'}`)

/** Reads a setting of the run. Throws when it is not there. */
export function setting(name: string): string {
  const value = process.env[name]
  if (value) return value
  throw new Error(`${name} is not set; \`npm run bench\` sets it`)
}

/** Milliseconds since 1970, finer than `Date.now`. */
export const now_ms = (): number => performance.timeOrigin + performance.now()

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Lifts the demo customer's limits, which are meant for people. Gives how to put them back. */
export async function liftLimits(state: State): Promise<() => Promise<void>> {
  const operator: VoIPBIN = await operatorClient(state)
  const { rate_limits } = await operator.customers.get(state.demo.customer_id)
  const most = 1_000_000
  await operator.customers.update(state.demo.customer_id, { rate_limits: { ...rate_limits, api: most, call_create: most } })
  return async () => void (await operator.customers.update(state.demo.customer_id, { rate_limits }))
}

import type { CostType } from '@voipbin/generated/schemas'

/** A price: micro-USD for one unit. `unit_duration` is the seconds of a unit, of which every started one counts; 0 for a price by piece. */
export interface Price {
  rate_per_unit: number
  unit_duration: number
}

/** What counts while the operator has set nothing. */
export const defaultPrices: Record<CostType, Price> = {
  call_pstn_outgoing: { rate_per_unit: 10_000, unit_duration: 60 },
  call_pstn_incoming: { rate_per_unit: 10_000, unit_duration: 60 },
  call_vn: { rate_per_unit: 0, unit_duration: 60 },
  call_extension: { rate_per_unit: 0, unit_duration: 60 },
  number: { rate_per_unit: 5_000_000, unit_duration: 0 },
  number_renew: { rate_per_unit: 5_000_000, unit_duration: 0 },
}

/** Digits and plus of the longest prefix that a price may have. */
const longestPrefix = 16
/** Every prefix by which a number may have a price, the empty one first. */
export const prefixesOf = (number: string): string[] =>
  Array.from({ length: Math.min(number.length, longestPrefix) + 1 }, (_, length) => number.slice(0, length))

/** The price with the longest prefix that fits. */
export function choosePrice(cost_type: CostType, number: string, rates: readonly (Price & { prefix: string })[]): Price {
  const [best] = rates.filter(rate => number.startsWith(rate.prefix)).toSorted((a, b) => b.prefix.length - a.prefix.length)
  return best ?? defaultPrices[cost_type]
}

/** Started units of a duration in seconds. */
export const unitsOf = (seconds: number, { unit_duration }: Price): number => (unit_duration === 0 ? 1 : Math.ceil(seconds / unit_duration))

/**
 * How many units may be reserved in all. `free` is the credit that nothing has reserved; `held` are units this reference has reserved already.
 * Never fewer than `held`.
 */
export function affordableUnits(wanted: number, { rate_per_unit }: Price, credit: { free: number; held: number }): number {
  if (rate_per_unit === 0) return Math.max(wanted, credit.held)
  const more = Math.max(0, Math.min(wanted - credit.held, Math.floor(credit.free / rate_per_unit)))
  return credit.held + more
}

/**
 * What a call costs in the end. Never more than was reserved: the platform cuts a call when its credit ends, and a cut that comes a second late
 * is not the customer's fault.
 */
export function settle(seconds: number, price: Price, reserved: number): { units: number; cost: number } {
  const units = seconds === 0 ? 0 : unitsOf(seconds, price)
  if (price.rate_per_unit === 0) return { units, cost: 0 }
  const paid = Math.min(units, Math.floor(reserved / price.rate_per_unit))
  return { units: paid, cost: paid * price.rate_per_unit }
}

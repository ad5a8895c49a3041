import { randomInt } from 'node:crypto'

/** Virtual numbers live inside the platform only: `+899` and nine digits, of which `000…` is reserved. Free, and made when somebody takes one. */
const virtual = /^\+899\d{9}$/

export const numberType = (number: string): 'normal' | 'virtual' => (number.startsWith('+899') ? 'virtual' : 'normal')
export const isTakeable = (number: string): boolean => virtual.test(number) && !number.startsWith('+899000')

const low = 1_000_000
const high = 999_999_999

/** A virtual number that begins with `prefix`, or `undefined` when none can. */
export function virtualNumber(prefix = '+899'): string | undefined {
  const fixed = prefix.startsWith('+899') ? prefix.slice(4) : '+899'.startsWith(prefix) ? '' : undefined
  if (fixed === undefined || fixed.length > 9) return undefined
  const tail = String(randomInt(low, high + 1)).padStart(9, '0')
  const number = `+899${fixed}${tail.slice(fixed.length)}`
  return isTakeable(number) ? number : undefined
}

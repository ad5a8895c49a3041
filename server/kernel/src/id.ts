import { randomFillSync } from 'node:crypto'
import { stringify } from 'uuid'

// Random bytes come by the page: a system call for every few ids costs more than all the rest of making them.
const pool = new Uint8Array(8_192)
let used = pool.length
let last_ms = 0
let sequence = 0

/**
 * A UUIDv7 (RFC 9562): sorts by time, also within one millisecond of one process (12 bits of counter, method 1 of section 6.2; a millisecond with more
 * than it holds borrows from the next).
 */
export function uuid7(): string {
  if (used + 16 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const bytes = pool.subarray(used, used + 16)
  used += 16
  const now = Date.now()
  if (now > last_ms) {
    last_ms = now
    // The upper half stays free for counting.
    sequence = (((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0)) & 0x7ff
  } else if (++sequence > 0xfff) {
    last_ms++
    sequence = 0
  }
  bytes[0] = last_ms / 2 ** 40
  bytes[1] = last_ms / 2 ** 32
  bytes[2] = last_ms / 2 ** 24
  bytes[3] = last_ms / 2 ** 16
  bytes[4] = last_ms / 2 ** 8
  bytes[5] = last_ms
  bytes[6] = 0x70 | (sequence >> 8)
  bytes[7] = sequence
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f)
  return stringify(bytes)
}

const uuidShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Lower-case hyphenated form only: the one spelling the platform writes. */
export const isUuid = (value: string): boolean => uuidShape.test(value)

/** The customer of who runs the installation: owner of its super admins, never deleted. The same everywhere, so that nobody has to look it up. */
export const operatorCustomerId = '00000000-0000-7000-8000-000000000001'

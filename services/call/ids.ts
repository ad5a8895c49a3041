import { createHash } from 'node:crypto'

/**
 * The n-th id after a UUIDv7: the same time, the last 48 of its random bits counted on. Who has one id that is the same when a message comes again has
 * as many as needed.
 */
export function nthId(id: string, n: number): string {
  const last = (Number.parseInt(id.slice(24), 16) + n) % 2 ** 48
  return `${id.slice(0, 24)}${last.toString(16).padStart(12, '0')}`
}

/** The id of the call that comes in on a channel: a UUIDv7 (RFC 9562) whose random bits follow from the channel, so that it can have one call only. */
export function idOfChannel(
  { asterisk_id, boot_id, channel_id }: { asterisk_id: string; boot_id: string; channel_id: string },
  at: Date,
): string {
  const time = at.getTime().toString(16).padStart(12, '0')
  const random = createHash('sha256').update(`${asterisk_id}/${boot_id}/${channel_id}`).digest('hex')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-a${random.slice(3, 6)}-${random.slice(6, 18)}`
}

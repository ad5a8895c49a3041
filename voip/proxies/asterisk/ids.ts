import { createHash } from 'node:crypto'

/** The same id for the same happening, however often it is reported: consumers drop the second one. */
export function eventId(...parts: readonly string[]): string {
  const hex = createHash('sha1').update(parts.join('/')).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** `2026-01-31T12:00:00.123+0000` as Asterisk writes it -> RFC 3339 in UTC with milliseconds. */
export function timestamp(ari: string): string {
  return new Date(ari.replace(/([+-]\d\d)(\d\d)$/, '$1:$2')).toISOString()
}

/** A set that forgets its oldest members. */
export class RecentIds {
  #ids = new Set<string>()
  #most: number
  constructor(most = 10_000) {
    this.#most = most
  }
  has(id: string): boolean {
    return this.#ids.has(id)
  }
  add(id: string): void {
    this.#ids.delete(id)
    this.#ids.add(id)
    if (this.#ids.size <= this.#most) return
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest)
      return
    }
  }
}

/**
 * A call is recorded through a snoop channel, which hears both sides and leaves the call free for everything else. Its id says for which recording it
 * is and of which channel, so that a proxy that has just started knows too.
 */
export const snoopId = (recording: string, channel_id: string): string => `rec:${recording}:${channel_id}`
/** The channel a snoop channel listens to, `undefined` for any other id. */
export const snoopedChannel = (id: string): string | undefined => (id.startsWith('rec:') ? id.split(':').slice(2).join(':') : undefined)

import type { RedisCache } from '@voipbin/kernel'

/** Events kept per customer for `resume`, and for how long, in milliseconds. */
export const historyLength = 1_000
const history_ms = 3_600_000
/** How long an event id is remembered, in milliseconds: longer than any redelivery takes. */
const dedupe_ms = 600_000
/** How long a count goes on without events, in milliseconds. Afterwards it begins anew. */
const count_ms = 30 * 86_400_000

/**
 * Numbers events. The first gateway that brings one gives it the customer's next number and appends it to the history; all others get the same
 * number back. Also returns what lies between `last` and the highest number, where the batch alone does not fill it.
 *
 * A count begins at the time in milliseconds (its base), so that it also grows when Redis lost its data, and nobody takes new numbers for old
 * ones. It begins anew when it is missing, when it is behind a number that a gateway has seen (Redis came back with an older copy), or when asked to.
 * The ids of the stream are `<number>-<time>`; the time bounds the history.
 * KEYS: count, history, one per event. ARGV: last, highest number seen, 1 to begin anew, then the four bounds, then (event_id, body) per event.
 */
export const numberScript = `
local text = function(n) return string.format('%.0f', n) end
local last, highest = tonumber(ARGV[1]), tonumber(ARGV[2])
local length, history, dedupe, count = ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local stored = redis.call('HMGET', KEYS[1], 'seq', 'base')
local seq, base = tonumber(stored[1] or 0), tonumber(stored[2] or 0)
if seq == 0 or seq < highest or ARGV[3] == '1' then
  seq = math.max(now, highest + 1, seq + 1)
  base = seq
  redis.call('HSET', KEYS[1], 'seq', text(seq), 'base', text(base))
  redis.call('DEL', KEYS[2])
end
local from = math.max(last, base)
local seqs, fresh, max = {}, 0, from
for i = 3, #KEYS do
  local id, body = ARGV[8 + (i - 3) * 2], ARGV[9 + (i - 3) * 2]
  local n = tonumber(redis.call('GET', KEYS[i]) or 0)
  if n <= base then
    seq = seq + 1
    n = seq
    redis.call('SET', KEYS[i], text(n), 'PX', dedupe)
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', length, text(n) .. '-' .. text(now), 'i', id, 'e', body)
  end
  seqs[#seqs + 1] = text(n)
  if n > from then fresh = fresh + 1 end
  if n > max then max = n end
end
if #seqs > 0 then
  redis.call('HSET', KEYS[1], 'seq', text(seq))
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  while oldest and tonumber(string.match(oldest[1], '%d+$')) < now - history do
    redis.call('XDEL', KEYS[2], oldest[1])
    oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  end
  redis.call('PEXPIRE', KEYS[2], history)
end
redis.call('PEXPIRE', KEYS[1], count)
local missing = {}
if last > 0 and max - from > fresh then
  missing = redis.call('XRANGE', KEYS[2], text(from + 1) .. '-0', text(max) .. '-' .. text(now))
end
return { text(seq), text(base), seqs, missing }`

/** What followed a number. KEYS: count, history. ARGV: the number, history length. Returns the count, its base, and the events if they can be all. */
export const sinceScript = `
local text = function(n) return string.format('%.0f', n) end
local stored = redis.call('HMGET', KEYS[1], 'seq', 'base')
local seq, base, since = tonumber(stored[1] or 0), tonumber(stored[2] or 0), tonumber(ARGV[1])
local events = {}
if since >= base and since < seq and seq - since <= 2 * tonumber(ARGV[2]) then
  events = redis.call('XRANGE', KEYS[2], text(since + 1) .. '-0', '+')
end
return { text(seq), text(base), events }`

/** Keys of one customer share a hash tag, so that the scripts also run on a Redis cluster. */
export const historyKeys = (customer_id: string) => ({
  count: `ws:{${customer_id}}:seq`,
  history: `ws:{${customer_id}}:history`,
  event: (event_id: string) => `ws:{${customer_id}}:event:${event_id}`,
})

export interface Stored {
  seq: number
  event_id: string
  body: string
}
export interface Numbered {
  /** The customer's last number now. */
  seq: number
  /** The number before the first of this count. */
  base: number
  /** In the order of the events given. */
  seqs: number[]
  missing: Stored[]
}
export interface NumberRequest {
  customer_id: string
  events: readonly { event_id: string; body: string }[]
  /** The last number sent here; 0 while unknown. */
  last: number
  /** The highest number ever seen here. */
  highest: number
  /** Begin a new count: what was before can no longer be told in full. */
  anew?: boolean
}

/** The numbers and the history of all customers, in Redis. Everything rejects while Redis is away. */
export interface History {
  number(request: NumberRequest): Promise<Numbered>
  since(customer_id: string, seq: number): Promise<{ seq: number; base: number; events: Stored[] }>
  /** Ends all counts: nobody listened for a while, so no history can be trusted to be whole. */
  forget(): Promise<void>
}

interface Scripted {
  voipbinNumber(keys: number, ...args: string[]): Promise<unknown>
  voipbinSince(keys: number, ...args: string[]): Promise<unknown>
}
type Entry = [string, string[]]
const stored = ([id, [, event_id = '', , body = '']]: Entry): Stored => ({ seq: Number.parseInt(id, 10), event_id, body })

export function openHistory(cache: RedisCache): History {
  const { redis } = cache
  redis.defineCommand('voipbinNumber', { lua: numberScript })
  redis.defineCommand('voipbinSince', { lua: sinceScript })
  const scripted = redis as unknown as Scripted
  return {
    number: async ({ customer_id, events, last, highest, anew = false }) => {
      const keys = historyKeys(customer_id)
      const names = [keys.count, keys.history, ...events.map(event => keys.event(event.event_id))]
      const bounds = [historyLength, history_ms, dedupe_ms, count_ms]
      const args = [last, highest, anew ? 1 : 0, ...bounds].map(String).concat(events.flatMap(event => [event.event_id, event.body]))
      const answer = (await insist(redis, () => scripted.voipbinNumber(names.length, ...names, ...args))) as [
        string,
        string,
        string[],
        Entry[],
      ]
      return { seq: Number(answer[0]), base: Number(answer[1]), seqs: answer[2].map(Number), missing: answer[3].map(stored) }
    },
    since: async (customer_id, seq) => {
      const keys = historyKeys(customer_id)
      const ask = () => scripted.voipbinSince(2, keys.count, keys.history, String(seq), String(historyLength))
      const answer = (await insist(redis, ask)) as [string, string, Entry[]]
      return { seq: Number(answer[0]), base: Number(answer[1]), events: answer[2].map(stored) }
    },
    forget: async () => {
      for (const name of ['seq', 'history']) {
        let cursor = '0'
        do {
          const [next, found] = await redis.scan(cursor, 'MATCH', `${cache.prefix}ws:{*}:${name}`, 'COUNT', 1_000)
          // The client puts the prefix before every key by itself.
          if (found.length > 0) await redis.unlink(...found.map(key => key.slice(cache.prefix.length)))
          cursor = next
        } while (cursor !== '0')
      }
    },
  }
}

/**
 * Tries again while the connection stands: a Redis that is slow for a moment must not leave events without a number. Numbering twice gives the
 * same number, so repeating is safe. Rejects at once when there is no connection.
 */
async function insist<T>(redis: { readonly status: string }, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (redis.status !== 'ready' || attempt === 5) throw error
    }
  }
}

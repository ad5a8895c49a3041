import { LRUCache } from 'lru-cache'
import type { RedisCache } from './cache.ts'

export interface LimitClass {
  /** `api`, `call_create`, `login` … */
  name: string
  /** Requests a minute: the bucket holds twice as many and gains a sixtieth of them a second. */
  per_minute: number
}

export interface LimitQuery {
  /** Whose bucket. */
  subject: string
  /** A token is taken from this one. */
  class: LimitClass
  /** Hash of a token: the request is only counted when `session:<hash>` is there, which is kept alive up to the `exp` (epoch seconds) it holds. */
  session?: string
}

export interface LimitResult {
  /** False when the session asked for is not in Redis, and nothing was taken: look into the database, store it, ask again. */
  known: boolean
  /** Redis did not answer: nothing is known of the session, and a local bucket has decided. */
  away: boolean
  /** Nobody has noted the session's activity for a minute: time to do it in the database. */
  note: boolean
  allowed: boolean
  /** What was asked for, and what is left of it: for `RateLimit-*` and `Retry-After`. */
  class: string
  limit: number
  remaining: number
  /** Seconds until the bucket is full again. */
  reset_s: number
  /** Seconds until one more request is allowed; 0 when it is. */
  retry_after_s: number
}

/** How long a session stays in Redis without being used, in seconds. */
export const session_s = 3_600

// Session and bucket in one round trip. The bucket is one number, the time at which it will be full again (GCRA). Numbers go back as text: Lua would
// cut them to integers.
const script = `
local rate, time = tonumber(ARGV[1]), redis.call('TIME')
local now, note = time[1] * 1000 + time[2] / 1000, 0
if KEYS[2] then
  local session = redis.call('GET', KEYS[2])
  if not session or session == '!' then return {0, 1, 0, ''} end
  if redis.call('SET', KEYS[2] .. ':noted', '1', 'EX', 60, 'NX') then
    note = 1
    local left, exp = tonumber(ARGV[2]), cjson.decode(session).exp
    if type(exp) == 'number' then left = math.min(left, math.floor(exp - now / 1000)) end
    if left > 0 then redis.call('EXPIRE', KEYS[2], left) end
  end
end
local full_at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local tokens, allowed = rate * 2 - (full_at - now) * rate / 60000, 0
if tokens >= 1 then
  tokens, allowed, full_at = tokens - 1, 1, full_at + 60000 / rate
  redis.call('SET', KEYS[1], string.format('%.4f', full_at), 'PX', math.ceil(full_at - now))
end
return {1, allowed, note, string.format('%.4f', tokens)}
`

type Answer = [known: number, allowed: number, note: number, tokens: string]
interface Scripted {
  voipbinLimit(...args: (string | number)[]): Promise<Answer>
}

/** Session check, activity and token bucket of a request in one Redis round trip; buckets in this process while Redis is away. */
export class Limits {
  #cache: RedisCache
  #redis: Scripted
  #local = new LRUCache<string, { tokens: number; at: number }>({ max: 50_000 })

  constructor(cache: RedisCache) {
    this.#cache = cache
    cache.redis.defineCommand('voipbinLimit', { lua: script })
    this.#redis = cache.redis as unknown as Scripted
  }

  /** Never throws for want of Redis. */
  async check(query: LimitQuery): Promise<LimitResult> {
    if (!this.#cache.available) return this.local(query)
    const { session, subject } = query
    const { name, per_minute } = query.class
    const bucket = `limit:${name}:${subject}`
    this.#cache.batch()
    let answer: Answer
    try {
      answer = await (session === undefined
        ? this.#redis.voipbinLimit(1, bucket, per_minute, session_s)
        : this.#redis.voipbinLimit(2, bucket, `session:${session}`, per_minute, session_s))
    } catch (error) {
      // A mistake in the script is ours and must show; anything else is Redis going away.
      if (error instanceof Error && /^(ERR|NOSCRIPT|WRONGTYPE)/.test(error.message)) throw error
      return this.local(query)
    }
    const [known, allowed, note, tokens] = answer
    const numbers = bucketNumbers(query.class, known === 1 ? Number(tokens) : per_minute * 2)
    return { known: known === 1, away: false, note: note === 1, allowed: allowed === 1, ...numbers }
  }

  /** The same decision from a bucket in this process. Each process has its own, so the platform's limit grows with their number. */
  local({ subject, class: { name, per_minute } }: LimitQuery): LimitResult {
    const now = Date.now()
    const key = `${name}:${subject}`
    const bucket = this.#local.get(key)
    const capacity = per_minute * 2
    const full = bucket ? Math.min(capacity, bucket.tokens + ((now - bucket.at) * per_minute) / 60_000) : capacity
    const allowed = full >= 1
    const tokens = allowed ? full - 1 : full
    this.#local.set(key, { tokens, at: now })
    return { known: false, away: true, note: false, allowed, ...bucketNumbers({ name, per_minute }, tokens) }
  }
}

function bucketNumbers({ name, per_minute }: LimitClass, tokens: number) {
  const missing = Math.max(0, per_minute * 2 - tokens)
  // A class of rate 0 never opens; a minute is as good an answer as any.
  const seconds = (count: number): number => (per_minute === 0 ? 60 : Math.ceil((count * 60) / per_minute))
  return {
    class: name,
    limit: per_minute,
    remaining: Math.max(0, Math.floor(tokens)),
    reset_s: seconds(missing),
    retry_after_s: tokens >= 1 ? 0 : Math.max(1, seconds(1 - tokens)),
  }
}

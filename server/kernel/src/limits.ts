import { LRUCache } from 'lru-cache'
import type { RedisCache } from './cache.ts'

export interface LimitClass {
  /** `api`, `call_create`, `login` … */
  name: string
  /** Requests a minute: the bucket holds twice as many and gains a sixtieth of them a second. */
  per_minute: number
}

export interface LimitQuery {
  /** Hash of the token or access key: its session is looked up under `session:<hash>` and kept alive. */
  session?: string
  /** Whose bucket. Default: the session's `customer_id`. */
  subject?: string
  /** A token is taken from each, or from none. The session's `limits: {<class>: per_minute}` overrides the rates given here. */
  classes: readonly LimitClass[]
  /** How long an unused session stays in Redis, in seconds. Default 3,600. */
  session_ttl_s?: number
}

export interface LimitResult<S> {
  /** What was stored under `session:<hash>`; `undefined`: not there, and nothing was taken. Look into the database, store it, ask again. */
  session: S | undefined
  /** Redis did not answer: `session` is unknown and a local bucket has decided, for the subject given. */
  away: boolean
  /** The session was unused for a minute or more: time to note its activity in the database. */
  idle: boolean
  allowed: boolean
  /** The tightest class and its bucket: for `RateLimit-*` and `Retry-After`. */
  class: string
  limit: number
  remaining: number
  /** Seconds until the bucket is full again. */
  reset_s: number
  /** Seconds until one more request is allowed; 0 when it is. */
  retry_after_s: number
}

interface SessionData {
  customer_id?: string
}

// Session, activity and all buckets in one round trip. Numbers go back as text: Lua would cut them to integers.
const script = `
local prefix, has_session, subject, ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local payload, limits, idle = '', nil, 0
if has_session == '1' then
  payload = redis.call('GET', KEYS[1])
  if not payload or payload == '!' then return {'', 1, 0} end
  local session = cjson.decode(payload)
  if type(session.limits) == 'table' then limits = session.limits end
  if subject == '' then subject = tostring(session.customer_id) end
  local seen = redis.call('GETSET', KEYS[1] .. ':seen', string.format('%.0f', now))
  if not seen or now - tonumber(seen) >= 60000 then idle = 1 end
  redis.call('EXPIRE', KEYS[1] .. ':seen', ttl)
  local left = ttl
  if type(session.exp) == 'number' then left = math.min(ttl, math.floor(session.exp - now / 1000)) end
  if left > 0 then redis.call('EXPIRE', KEYS[1], left) end
end
local allowed, buckets, tight = 1, {}, nil
for i = 5, #ARGV, 2 do
  local name, rate = ARGV[i], tonumber(ARGV[i + 1])
  if limits and tonumber(limits[name]) then rate = tonumber(limits[name]) end
  local key = prefix .. 'limit:' .. name .. ':' .. subject
  local state = redis.call('HMGET', key, 't', 'at')
  local capacity, gain = rate * 2, rate / 60000
  local tokens = capacity
  if state[1] then tokens = math.min(capacity, tonumber(state[1]) + math.max(0, now - tonumber(state[2])) * gain) end
  local bucket = {name = name, key = key, rate = rate, capacity = capacity, gain = gain, tokens = tokens}
  if tokens < 1 then allowed = 0 end
  buckets[#buckets + 1] = bucket
  if not tight or tokens < tight.tokens then tight = bucket end
end
for _, b in ipairs(buckets) do
  if allowed == 1 then b.tokens = b.tokens - 1 end
  redis.call('HSET', b.key, 't', string.format('%.4f', b.tokens), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', b.key, 121000)
end
if not tight then return {payload, 1, idle} end
return {payload, allowed, idle, tight.name, string.format('%.4f', tight.rate), string.format('%.4f', tight.tokens)}
`

type Answer = [payload: string, allowed: number, idle: number, name?: string, rate?: string, tokens?: string]
interface Scripted {
  voipbinLimit(sessionKey: string, ...args: (string | number)[]): Promise<Answer>
}

/** Session check, activity and token buckets of a request in one Redis round trip; buckets in this process while Redis is away. */
export class Limits {
  #cache: RedisCache
  #local = new LRUCache<string, { tokens: number; at: number }>({ max: 50_000 })

  constructor(cache: RedisCache) {
    this.#cache = cache
    cache.redis.defineCommand('voipbinLimit', { numberOfKeys: 1, lua: script })
  }

  /** Never throws for want of Redis. `S` is what was stored with the session; nobody checks it here. */
  async check<S extends SessionData>(query: LimitQuery): Promise<LimitResult<S>> {
    const { session, subject = '', classes, session_ttl_s = 3_600 } = query
    if (!this.#cache.available) return this.local(query)
    const rates = classes.flatMap(({ name, per_minute }) => [name, per_minute])
    const redis = this.#cache.redis as unknown as Scripted
    let answer: Answer
    try {
      answer = await redis.voipbinLimit(
        `session:${session ?? ''}`,
        this.#cache.prefix,
        session ? '1' : '0',
        subject,
        session_ttl_s,
        ...rates,
      )
    } catch (error) {
      // A mistake in the script is ours and must show; anything else is Redis going away.
      if (error instanceof Error && /^(ERR|NOSCRIPT|WRONGTYPE)/.test(error.message)) throw error
      return this.local(query)
    }
    const [payload, allowed, idle, name = '', rate = '0', tokens = '0'] = answer
    const found = payload === '' ? undefined : (JSON.parse(payload) as S)
    return { session: found, away: false, idle: idle === 1, allowed: allowed === 1, ...bucketNumbers(name, Number(rate), Number(tokens)) }
  }

  /** The same decision from buckets in this process. Each process has its own, so the platform's limit grows with their number. */
  local<S>({ subject = '', classes }: LimitQuery): LimitResult<S> {
    const now = Date.now()
    const buckets = classes.map(({ name, per_minute }) => {
      const key = `${name}:${subject}`
      const known = this.#local.get(key)
      const capacity = per_minute * 2
      const tokens = known ? Math.min(capacity, known.tokens + ((now - known.at) * per_minute) / 60_000) : capacity
      return { name, key, rate: per_minute, tokens }
    })
    const allowed = buckets.every(({ tokens }) => tokens >= 1)
    for (const bucket of buckets) {
      if (allowed) bucket.tokens--
      this.#local.set(bucket.key, { tokens: bucket.tokens, at: now })
    }
    const tight = buckets.reduce((a, b) => (b.tokens < a.tokens ? b : a), { name: '', key: '', rate: 0, tokens: Number.POSITIVE_INFINITY })
    return { session: undefined, away: true, idle: false, allowed, ...bucketNumbers(tight.name, tight.rate, tight.tokens) }
  }
}

function bucketNumbers(name: string, rate: number, tokens: number) {
  if (rate === 0) return { class: name, limit: 0, remaining: 0, reset_s: 0, retry_after_s: 0 }
  const missing = Math.max(0, rate * 2 - tokens)
  return {
    class: name,
    limit: rate,
    remaining: Math.max(0, Math.floor(tokens)),
    reset_s: Math.ceil((missing * 60) / rate),
    retry_after_s: tokens >= 1 ? 0 : Math.max(1, Math.ceil(((1 - tokens) * 60) / rate)),
  }
}

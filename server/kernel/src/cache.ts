import { Redis } from 'ioredis'
import type { Cache, Logger } from './context.ts'

export interface CacheOptions {
  /** `redis://…` or `rediss://…` */
  url: string
  /** Before every key and channel, so that tests and installations can share a server. */
  prefix?: string
  /** How long a command may take, in milliseconds, before Redis counts as away. Default 200; tests on a busy machine are more patient. */
  command_ms?: number
  log?: Logger
}

/** What a key holds for a moment after it was invalidated: a reader that read before the write must not fill in the old value. */
const tombstone = '!'
const tombstone_s = 2
/** After a command that took too long nobody asks again for this long. */
const pause_ms = 1_000
/** Invalidations remembered while Redis is away, to be made up for when it is back. */
const maxOwed = 10_000

const openCaches = new Set<RedisCache>()

/** Tells every cache of this process that these keys have changed. After the commit, before the event. Never throws. */
export async function invalidate(...keys: string[]): Promise<void> {
  await Promise.all([...openCaches].map(cache => cache.invalidate(...keys)))
}

/** Redis as a cache: quick or silent. When it is away `get` answers `undefined` and the others do nothing; nothing throws. */
export class RedisCache implements Cache, AsyncDisposable {
  /** The connection itself, for scripts. Its commands reject when Redis is away. Keys get the prefix by themselves. */
  readonly redis: Redis
  readonly prefix: string
  #log: Logger | undefined
  #subscriber: Redis | undefined
  #handlers = new Map<string, Set<(value: unknown) => void>>()
  #owed = new Set<string>()
  #away_until = 0
  #wasAway = false
  #batching = false

  constructor({ url, prefix = '', command_ms = 200, log }: CacheOptions) {
    this.prefix = prefix
    this.#log = log
    // The parameter is said, not inferred: inferring compares all of Redis with itself, a second of every type check.
    this.redis = new Redis<'legacy'>(url, {
      keyPrefix: prefix,
      enableOfflineQueue: false,
      commandTimeout: command_ms,
      connectTimeout: 2_000,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      retryStrategy,
    })
    this.redis.on('error', error => this.#report(true, error))
    this.redis.on('ready', () => {
      this.#report(false)
      this.#away_until = 0
      void this.#payOwed()
    })
    openCaches.add(this)
  }

  /** False while Redis is away or too slow. */
  get available(): boolean {
    return this.redis.status === 'ready' && Date.now() >= this.#away_until
  }

  /**
   * Commands of the same turn of the event loop leave in one write: with many requests in flight the system call is what a command costs. Call it before
   * a command that is sent often.
   */
  batch(): void {
    if (this.#batching) return
    const { stream } = this.redis
    if (!stream) return
    this.#batching = true
    stream.cork()
    setImmediate(() => {
      this.#batching = false
      stream.uncork()
    })
  }

  async get<T>(key: string): Promise<T | undefined> {
    const text = await this.#try(() => {
      this.batch()
      return this.redis.get(key)
    })
    return text === null || text === undefined || text === tombstone ? undefined : (JSON.parse(text) as T)
  }

  async set(key: string, value: unknown, ttl_s: number): Promise<void> {
    await this.#try(() => this.redis.set(key, JSON.stringify(value), 'EX', ttl_s))
  }

  /** Stores what was read from the database, unless the key exists or was invalidated a moment ago. */
  async fill(key: string, value: unknown, ttl_s: number): Promise<void> {
    await this.#try(() => this.redis.set(key, JSON.stringify(value), 'EX', ttl_s, 'NX'))
  }

  async del(...keys: string[]): Promise<void> {
    if (keys.length > 0) await this.#try(() => this.redis.del(...keys))
  }

  /** As `del`, and for two seconds nobody can `fill` the keys. Made up for later when Redis is away. */
  async invalidate(...keys: string[]): Promise<void> {
    if (keys.length === 0) return
    const done = await this.#try(async () => {
      const pipeline = this.redis.pipeline()
      for (const key of keys) pipeline.set(key, tombstone, 'EX', tombstone_s)
      const results = await pipeline.exec()
      const failed = results?.find(([error]) => error)
      if (failed?.[0]) throw failed[0]
      return true
    })
    if (!done) for (const key of keys) if (this.#owed.size < maxOwed) this.#owed.add(key)
  }

  /** Sends a hint to every subscriber of the channel. May be lost; nothing that matters may depend on it. */
  async publish(channel: string, value: unknown): Promise<void> {
    await this.#try(() => this.redis.publish(this.prefix + channel, JSON.stringify(value)))
  }

  /** Calls `handler` for every hint, also after reconnects. Returns what ends it. */
  async subscribe<T>(channel: string, handler: (value: T) => void): Promise<() => Promise<void>> {
    const subscriber = this.#openSubscriber()
    const name = this.prefix + channel
    const call = handler as (value: unknown) => void
    const handlers = this.#handlers.get(name) ?? new Set()
    handlers.add(call)
    this.#handlers.set(name, handlers)
    if (handlers.size === 1) await subscriber.subscribe(name)
    return async () => {
      handlers.delete(call)
      if (handlers.size > 0 || this.#handlers.get(name) !== handlers) return
      this.#handlers.delete(name)
      await subscriber.unsubscribe(name)
    }
  }

  /** Rejects unless Redis answers. For readiness. */
  async ping(): Promise<void> {
    await this.redis.ping()
  }

  /** Resolves when the first connection stands, or after `timeout_ms` without one: the platform starts all the same. */
  async ready(timeout_ms = 1_000): Promise<boolean> {
    if (this.redis.status === 'ready') return true
    return new Promise(resolve => {
      const settle = (up: boolean) => {
        clearTimeout(timer)
        this.redis.off('ready', onReady)
        resolve(up)
      }
      const onReady = () => settle(true)
      const timer = setTimeout(() => settle(false), timeout_ms)
      this.redis.once('ready', onReady)
    })
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    openCaches.delete(this)
    this.redis.disconnect()
    this.#subscriber?.disconnect()
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #try<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (!this.available) return undefined
    try {
      return await work()
    } catch (error) {
      // A server that hangs would cost every request the command's time-out.
      this.#away_until = Date.now() + pause_ms
      this.#report(true, error)
      return undefined
    }
  }

  async #payOwed(): Promise<void> {
    const keys = [...this.#owed]
    this.#owed.clear()
    await this.invalidate(...keys)
  }

  #openSubscriber(): Redis {
    if (this.#subscriber) return this.#subscriber
    const subscriber = this.redis.duplicate({
      enableOfflineQueue: true,
      commandTimeout: undefined,
      maxRetriesPerRequest: null,
      keyPrefix: '',
    })
    subscriber.on('error', error => this.#report(true, error))
    subscriber.on('message', (name: string, text: string) => {
      for (const handler of this.#handlers.get(name) ?? []) handler(JSON.parse(text))
    })
    this.#subscriber = subscriber
    return subscriber
  }

  /** One line when it goes, one when it comes back. */
  #report(away: boolean, error?: unknown): void {
    if (away === this.#wasAway) return
    this.#wasAway = away
    if (away) this.#log?.warn('cache is away', { error })
    else this.#log?.info('cache is back')
  }
}

const retryStrategy = (times: number): number => Math.min(50 * 2 ** times, 2_000)

export const openCache = (options: CacheOptions): RedisCache => new RedisCache(options)

/** `fill` where the cache has it, else `set`. */
export const fillCache = (cache: Cache, key: string, value: unknown, ttl_s: number): Promise<void> =>
  cache instanceof RedisCache ? cache.fill(key, value, ttl_s) : cache.set(key, value, ttl_s)

/** Caches nothing. For processes without Redis. */
export const noCache: Cache = {
  get: async () => undefined,
  set: async () => undefined,
  del: async () => undefined,
}

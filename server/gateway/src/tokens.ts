import { hash } from 'node:crypto'
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import { fail } from './errors.ts'

/** What a token says (`DECISIONS.md` 24). Times in seconds. */
export interface Claims {
  customer_id: string
  agent_id: string
  permissions: string[]
  jti: string
  iat: number
  exp: number
}
/** A token that was verified once; `hash` names its session. */
export interface VerifiedToken {
  readonly claims: Readonly<Claims>
  readonly hash: string
}
export interface SigningKey {
  kid: string
  secret: Uint8Array
}

/** How long a token lives, in seconds. */
export const tokenLifetime = 3_600

/** SHA-256 in hex: what is stored and cached instead of a credential. */
export const credentialHash = (credential: string): string => hash('sha256', credential)

/**
 * Signs and verifies the platform's JWTs (HS256). The first key signs, every key verifies, so a key is replaced by putting the new
 * one in front and removing the old one an hour later.
 */
export class Tokens {
  readonly #keys: ReadonlyMap<string, Uint8Array>
  readonly #signing: SigningKey
  // Verifying costs more than the rest of a cached read, and the same token comes again and again.
  readonly #verified = new LRUCache<string, VerifiedToken>({ max: 20_000 })

  constructor(keys: readonly SigningKey[]) {
    const [first] = keys
    if (!first) throw new Error('JWT_KEYS holds no key')
    this.#signing = first
    this.#keys = new Map(keys.map(key => [key.kid, key.secret]))
  }

  /** `now` in milliseconds. */
  async sign(
    subject: Pick<Claims, 'customer_id' | 'agent_id' | 'permissions' | 'jti'>,
    now: number,
  ): Promise<{ token: string; claims: Claims }> {
    const iat = Math.floor(now / 1_000)
    const claims: Claims = { ...subject, iat, exp: iat + tokenLifetime }
    const token = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid: this.#signing.kid })
      .sign(this.#signing.secret)
    return { token, claims }
  }

  /** Throws UNAUTHENTICATED for a bad token and TOKEN_EXPIRED for an old one. `now` in milliseconds. Synchronous when the token is known. */
  verify(token: string, now: number): VerifiedToken | Promise<VerifiedToken> {
    const known = this.#verified.get(token)
    if (!known) return this.#check(token, now)
    if (known.claims.exp * 1_000 <= now) throw fail.tokenExpired()
    return known
  }

  async #check(token: string, now: number): Promise<VerifiedToken> {
    let payload: unknown
    try {
      const { kid = this.#signing.kid } = decodeProtectedHeader(token)
      const secret = this.#keys.get(kid)
      if (!secret) throw fail.unauthenticated()
      payload = (
        await jwtVerify(token, secret, { algorithms: ['HS256'], currentDate: new Date(now), requiredClaims: ['exp', 'iat', 'jti'] })
      ).payload
    } catch (error) {
      throw error instanceof errors.JWTExpired ? fail.tokenExpired() : fail.unauthenticated()
    }
    if (!isClaims(payload)) throw fail.unauthenticated()
    const verified: VerifiedToken = { claims: payload, hash: credentialHash(token) }
    this.#verified.set(token, verified)
    return verified
  }
}

function isClaims(payload: unknown): payload is Claims {
  const claims = payload as Partial<Claims> | null
  return (
    typeof claims?.customer_id === 'string' &&
    typeof claims.agent_id === 'string' &&
    typeof claims.jti === 'string' &&
    typeof claims.exp === 'number' &&
    Array.isArray(claims.permissions) &&
    claims.permissions.every(permission => typeof permission === 'string')
  )
}

/** Reads `kid:secret[,kid:secret…]`; a secret has at least 32 characters. Throws what is wrong, without the secret. */
export function parseKeys(text: string): SigningKey[] {
  const keys = text
    .split(',')
    .filter(Boolean)
    .map(part => {
      const colon = part.indexOf(':')
      const kid = part.slice(0, colon)
      const secret = part.slice(colon + 1)
      if (colon < 1 || !/^[\w-]{1,32}$/.test(kid)) throw new Error('each key is written kid:secret')
      if (secret.length < 32) throw new Error(`the secret of key ${kid} has fewer than 32 characters`)
      return { kid, secret: new TextEncoder().encode(secret) }
    })
  if (keys.length === 0) throw new Error('at least one key is needed, written kid:secret')
  if (new Set(keys.map(key => key.kid)).size !== keys.length) throw new Error('two keys have the same kid')
  return keys
}

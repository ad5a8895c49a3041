import { SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { credentialHash, parseKeys, Tokens } from './tokens.ts'

const old = parseKeys('old:0123456789abcdef0123456789abcdef')
const both = parseKeys('new:fedcba9876543210fedcba9876543210,old:0123456789abcdef0123456789abcdef')
const subject = { customer_id: 'c', agent_id: 'a', permissions: ['customer_admin'], jti: 'j' }
const now = Date.parse('2026-01-20T12:00:00Z')

describe('Tokens', () => {
  test('verifies what it signed, twice, and hashes it', async () => {
    const tokens = new Tokens(both)
    const { token, claims } = await tokens.sign(subject, now)
    expect(claims).toEqual({ ...subject, iat: now / 1000, exp: now / 1000 + 3600 })
    expect(await tokens.verify(token, now)).toEqual({ claims, hash: credentialHash(token) })
    expect(tokens.verify(token, now)).toMatchObject({ claims })
  })

  test('accepts the older of two keys, and no key it lost', async () => {
    const { token } = await new Tokens(old).sign(subject, now)
    expect(await new Tokens(both).verify(token, now)).toMatchObject({ claims: subject })
    await expect(new Tokens(parseKeys('new:fedcba9876543210fedcba9876543210')).verify(token, now)).rejects.toMatchObject({
      reason: 'UNAUTHENTICATED',
    })
  })

  test('expires at exp, also when it was verified before', async () => {
    const tokens = new Tokens(both)
    const { token } = await tokens.sign(subject, now)
    await tokens.verify(token, now)
    await expect(async () => tokens.verify(token, now + 3_600_000)).rejects.toMatchObject({ reason: 'TOKEN_EXPIRED' })
    await expect(new Tokens(both).verify(token, now + 3_600_000)).rejects.toMatchObject({ reason: 'TOKEN_EXPIRED' })
  })

  test.each([
    { what: 'no token', make: async () => 'nonsense' },
    { what: 'alg none', make: async () => new UnsecuredJWT({ ...subject, iat: 1, exp: 9e9 }).encode() },
    {
      what: 'another algorithm',
      make: async () =>
        new SignJWT({ ...subject })
          .setProtectedHeader({ alg: 'HS512', kid: 'new' })
          .setIssuedAt()
          .setExpirationTime('1h')
          .sign(both[0]?.secret ?? new Uint8Array()),
    },
    {
      what: 'missing claims',
      make: async () =>
        new SignJWT({ jti: 'x' })
          .setProtectedHeader({ alg: 'HS256', kid: 'new' })
          .setIssuedAt(now / 1000)
          .setExpirationTime(now / 1000 + 60)
          .sign(both[0]?.secret ?? new Uint8Array()),
    },
    {
      what: 'a changed payload',
      make: async () => {
        const { token } = await new Tokens(both).sign(subject, now)
        const [head, , signature] = token.split('.')
        return [
          head,
          Buffer.from(JSON.stringify({ ...subject, customer_id: 'other', iat: 1, exp: 9e9 })).toString('base64url'),
          signature,
        ].join('.')
      },
    },
  ])('refuses $what', async ({ make }) => {
    await expect(new Tokens(both).verify(await make(), now)).rejects.toMatchObject({ reason: 'UNAUTHENTICATED' })
  })
})

test.each([
  '',
  'short:secret',
  'nocolon0123456789abcdef0123456789abcdef',
  'a:0123456789abcdef0123456789abcdef,a:0123456789abcdef0123456789abcdef',
])('parseKeys(%j) is refused without showing the secret', given => {
  expect(() => parseKeys(given)).toThrow()
  expect(() => parseKeys(given)).not.toThrow(/0123456789/)
})

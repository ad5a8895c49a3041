import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { type Answer, type Seen, serve } from '../server-fixture.ts'
import { world } from './io-fixture.ts'
import { readProfiles, writeProfile } from './profiles.ts'

const me = { customer_id: 'c1', id: 'a1', username: 'jane@acme.example', name: 'Jane', permissions: ['customer_agent'] }
const refusal = (status: string, reason: string) => ({ error: { status, reason, message: 'No.', request_id: 'r', details: [] } })
/** A token that ends so many minutes from now. */
const token = (minutes: number, name = 't'): string =>
  `${name}.${Buffer.from(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + minutes * 60 })).toString('base64url')}.s`

/** The parts of the platform that signing in needs: one user, one key, tokens that are exchanged. */
const platform = (tokens: { valid: string; next: string }) =>
  serve(({ url, headers, body }: Seen): Answer => {
    const own = headers.authorization
    if (url === '/auth/login') {
      const isRight = (JSON.parse(body) as { password: string }).password === 'correct horse'
      return isRight ? { status: 200, body: { token: tokens.valid } } : { status: 401, body: refusal('UNAUTHENTICATED', 'LOGIN_FAILED') }
    }
    if (own === 'AccessKey ak_right')
      return url === '/v1.0/me'
        ? { status: 412, body: refusal('FAILED_PRECONDITION', 'AGENT_REQUIRED') }
        : { status: 200, body: { id: 'c1', name: 'Acme' } }
    if (own !== `Bearer ${tokens.valid}`) return { status: 401, body: refusal('UNAUTHENTICATED', 'UNAUTHENTICATED') }
    if (url === '/auth/refresh') {
      tokens.valid = tokens.next
      return { status: 200, body: { token: tokens.next } }
    }
    return { status: 200, body: url === '/auth/logout' ? {} : me }
  })

test('login by password keeps the session where only its owner reads it; logout ends it', async () => {
  const { url, seen } = await platform({ valid: token(60), next: '' })
  const place = world({ tty: true, input: `${url}/v1.0/\njane@acme.example\ncorrect horse\n` })
  const { code, out, err } = await place.run('login')
  expect({ code, out }).toEqual({ code: 0, out: '' })
  const folder = path.join(place.config, 'voipbin')
  expect(err).toContain(`Signed in to ${url} as jane@acme.example. Kept in ${folder}/config.json, profile 'default'.`)
  expect(err).not.toContain('correct horse')
  expect(statSync(path.join(folder, 'config.json')).mode & 0o777).toBe(0o600)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(readFileSync(path.join(folder, 'config.json'), 'utf8')).not.toContain('correct horse')
  const who = await place.run('whoami', '--output', 'json')
  expect(JSON.parse(who.out)).toEqual({
    base_url: url,
    profile: 'default',
    credentials: 'session',
    agent_id: 'a1',
    customer_id: 'c1',
    username: me.username,
    name: 'Jane',
    permissions: me.permissions,
  })
  expect((await place.run('logout')).code).toBe(0)
  expect(seen.at(-1)?.url).toBe('/auth/logout')
  expect(readProfiles(place.io.env)).toEqual({})
  expect(readdirSync(folder)).toEqual(['config.json'])
  expect((await place.run('whoami')).code).toBe(2)
})

test('a wrong password is refused by the platform and changes nothing', async () => {
  const { url } = await platform({ valid: token(60), next: '' })
  const place = world({ input: 'wrong\n' })
  const { code, err } = await place.run('login', '--username', 'jane@acme.example', '--base_url', url)
  expect(code).toBe(1)
  expect(err).toContain('error: LOGIN_FAILED')
  expect(readProfiles(place.io.env)).toEqual({})
})

test('login by access key reads it from standard input, and refuses one among the arguments without repeating it', async () => {
  const { url } = await platform({ valid: '', next: '' })
  const place = world({ input: 'ak_right\n' })
  expect((await place.run('login', '--access_key', '--profile', 'ci', '--base_url', url)).code).toBe(0)
  expect(readProfiles(place.io.env)).toEqual({ ci: { base_url: url, access_key: 'ak_right' } })
  const who = await place.run('whoami', '--profile', 'ci')
  expect(JSON.parse(who.out)).toEqual({ base_url: url, profile: 'ci', credentials: 'access key', customer_id: 'c1', name: 'Acme' })
  const argued = await place.run('login', '--access_key', 'ak_secret')
  expect(argued.code).toBe(2)
  expect(argued.err).not.toContain('ak_secret')
  const wrong = world({ input: 'ak_wrong\n' })
  expect((await wrong.run('login', '--access_key', '--base_url', url)).code).toBe(1)
  expect(readProfiles(wrong.io.env)).toEqual({})
})

test('credentials and the place they are for come from one source', async () => {
  const { url, seen } = await serve({ status: 200, body: { id: 'c1' } })
  const far = 'http://127.0.0.1:1'
  const given = async (env: Record<string, string>, ...words: string[]) => {
    const place = world({ env })
    writeProfile(place.io.env, 'default', { base_url: far, access_key: 'ak_stored' })
    writeProfile(place.io.env, 'near', { base_url: url, access_key: 'ak_near' })
    return place.run('customers', 'get_own', ...words)
  }
  const right = { VOIPBIN_ACCESS_KEY: 'ak_right', VOIPBIN_BASE_URL: url }
  expect(await given(right)).toMatchObject({ code: 0 })
  expect(await given({ VOIPBIN_ACCESS_KEY: 'ak_right' }, '--base_url', url)).toMatchObject({ code: 0 })
  expect(await given({ ...right, VOIPBIN_BASE_URL: far }, '--profile', 'near')).toMatchObject({ code: 0 })
  expect(await given({ VOIPBIN_PROFILE: 'near' })).toMatchObject({ code: 0 })
  const elsewhere = "error: The profile 'default' is for http://127.0.0.1:1, not for"
  expect(await given({ VOIPBIN_BASE_URL: url })).toMatchObject({ code: 2, err: expect.stringContaining(elsewhere) as string })
  expect(await given({}, '--base_url', url)).toMatchObject({ code: 2, err: expect.stringContaining(elsewhere) as string })
  const keys = seen.map(({ headers }) => headers.authorization)
  expect(keys).toEqual(['AccessKey ak_right', 'AccessKey ak_right', 'AccessKey ak_near', 'AccessKey ak_near'])
})

test('a session that is about to end is exchanged, once, and the new one kept', async () => {
  const tokens = { valid: token(3), next: token(60, 'next') }
  const { url, seen } = await platform(tokens)
  const place = world()
  writeProfile(place.io.env, 'default', { base_url: url, token: tokens.valid, username: 'jane@acme.example' })
  for (let i = 0; i < 2; i++) expect((await place.run('me', 'get')).code).toBe(0)
  expect(seen.map(one => one.url)).toEqual(['/auth/refresh', '/v1.0/me', '/v1.0/me'])
  expect(readProfiles(place.io.env).default).toEqual({ base_url: url, token: tokens.next, username: 'jane@acme.example' })
})

test('a session that another command has exchanged meanwhile goes on with the new one; one that is over says what to do', async () => {
  const tokens = { valid: token(60, 'other'), next: '' }
  const { url } = await platform(tokens)
  const place = world()
  writeProfile(place.io.env, 'default', { base_url: url, token: token(60, 'ended') })
  const { code, err } = await place.run('me', 'get')
  expect(code).toBe(2)
  expect(err).toContain("The session of the profile 'default' has ended. Run `voipbin login` again.")
  writeProfile(place.io.env, 'default', { base_url: url, token: tokens.valid })
  expect((await place.run('me', 'get')).code).toBe(0)
})

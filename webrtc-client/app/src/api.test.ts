import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Gateway } from '../../test/gateway.ts'
import { Api } from './api.ts'
import { errorText } from './errors.ts'

const extensions = Array.from({ length: 3 }, (_, index) => ({
  id: `e${index}`,
  name: `Phone ${index}`,
  extension: String(1001 + index),
  username: String(1001 + index),
  domain: 'd.example',
}))
const calls = Array.from({ length: 5 }, (_, index) => ({ id: `c${index}` }))

let gateway: Gateway
let api: Api
let expired = 0
beforeAll(async () => {
  gateway = await Gateway.start({ users: { ada: 'right' }, extensions, calls })
})
afterAll(() => gateway.close())
beforeEach(() => {
  expired = 0
  gateway.fail.clear()
  api = new Api({ api_url: `${gateway.url}/v1.0`, onUnauthenticated: () => expired++ })
})

test('signs in, renews and signs out', async () => {
  const first = await api.login('ada', 'right')
  expect(first).toMatchObject({ username: 'ada', customer_id: gateway.customer_id })
  const second = await api.refresh()
  expect(second.token).not.toBe(first.token)
  expect(api.token).toBe(second.token)
  await api.logout()
  expect(api.token).toBe('')
})

test('a wrong password is an error and not an ended session', async () => {
  await expect(api.login('ada', 'wrong')).rejects.toMatchObject({ httpStatus: 401, reason: 'LOGIN_FAILED', request_id: 'req-1' })
  expect(expired).toBe(0)
})

test('a token that is no longer valid is told once', async () => {
  api.token = 'old'
  await expect(api.listExtensions()).rejects.toMatchObject({ httpStatus: 401 })
  expect(expired).toBe(1)
})

test('reads extensions and sets a SIP password', async () => {
  await api.login('ada', 'right')
  expect(await api.listExtensions()).toMatchObject(extensions)
  await api.setExtensionPassword('e1', 'new-password')
  expect(gateway.passwords.get('e1')).toBe('new-password')
})

test('pages through the calls', async () => {
  await api.login('ada', 'right')
  const first = await api.listCalls({ page_size: 3 })
  const second = await first.next()
  expect([...first.result, ...(second?.result ?? [])].map(({ id }) => id)).toEqual(['c0', 'c1', 'c2', 'c3', 'c4'])
  expect(await second?.next()).toBeUndefined()
})

test('what went wrong is told in words', async () => {
  const said = (work: Promise<unknown>) => work.then(() => '', errorText)
  const nobody = new Api({ api_url: 'http://127.0.0.1:9/v1.0' })
  expect(await said(nobody.login('ada', 'right'))).toBe('The server cannot be reached.')
  expect(await said(api.login('ada', 'wrong'))).toBe('User name or password is wrong.')
  gateway.fail.set('/auth/login', 503)
  expect(await said(api.login('ada', 'right'))).toBe('Try again in a moment. (request req-1)')
})

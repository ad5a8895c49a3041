import { expect, test } from 'vitest'
import { frameCredential, readCredential } from './credentials.ts'

const ak = `ak_${'a1B2'.repeat(8)}`
const jwt = 'eyJhbGciOiJIUzI1NiJ9.e30.x'

test.each([
  { authorization: `Bearer ${jwt}`, url: '/', want: { kind: 'token', value: jwt } },
  { authorization: `bearer  ${jwt} `, url: '/', want: { kind: 'token', value: jwt } },
  { authorization: `Bearer ${ak}`, url: '/', want: { kind: 'accesskey', value: ak } },
  { authorization: `AccessKey ${ak}`, url: '/', want: { kind: 'accesskey', value: ak } },
  { authorization: undefined, url: `/x?token=${jwt}`, want: { kind: 'token', value: jwt } },
  { authorization: undefined, url: `/x?a=1&token=${ak}`, want: { kind: 'accesskey', value: ak } },
  { authorization: undefined, url: `/x?accesskey=${ak}`, want: { kind: 'accesskey', value: ak } },
  { authorization: `AccessKey ${ak}`, url: `/x?token=${jwt}`, want: { kind: 'accesskey', value: ak } },
  { authorization: undefined, url: '/x', want: undefined },
  { authorization: undefined, url: '/x?page_token=1', want: undefined },
])('readCredential($authorization, $url)', ({ authorization, url, want }) =>
  expect(readCredential(authorization === undefined ? {} : { authorization }, url)).toEqual(want),
)

test.each([
  { authorization: 'Basic YTpi', url: '/' },
  { authorization: jwt, url: '/' },
  { authorization: 'Bearer ', url: '/' },
  { authorization: 'AccessKey nonsense', url: '/' },
  { authorization: 'Bearer ak_short', url: '/' },
  { authorization: `Bearer ${'x'.repeat(5000)}`, url: '/' },
  { authorization: undefined, url: '/x?token=' },
  { authorization: undefined, url: '/x?accesskey=ak_1' },
])('readCredential refuses $authorization $url', ({ authorization, url }) =>
  expect(() => readCredential(authorization === undefined ? {} : { authorization }, url)).toThrow(
    expect.objectContaining({ reason: 'UNAUTHENTICATED' }),
  ),
)

test('frameCredential takes an access key in either field', () => {
  expect(frameCredential({ token: ak })).toEqual({ kind: 'accesskey', value: ak })
  expect(frameCredential({ accesskey: ak })).toEqual({ kind: 'accesskey', value: ak })
  expect(() => frameCredential({ accesskey: jwt })).toThrow()
})

import { describe, expect, test } from 'vitest'
import { buildMatcher, compileQueue, compileRoute } from './route-match.ts'

describe('compileRoute', () => {
  test.each([
    { route: '/v1/calls', query: [], given: { a: 1 }, want: { route: '/v1/calls', body: { a: 1 } } },
    { route: '/v1/calls/{id}', query: [], given: { id: 'x' }, want: { route: '/v1/calls/x', body: null } },
    {
      route: '/v1/calls/{id}/hangup',
      query: [],
      given: { id: 'a/b ?', why: 'w' },
      want: { route: '/v1/calls/a%2Fb%20%3F/hangup', body: { why: 'w' } },
    },
    {
      route: '/v1/calls',
      query: ['n', 'tags', 'none'],
      given: { n: 5, tags: ['a', 'b&c'] },
      want: { route: '/v1/calls?n=5&tags[]=a&tags[]=b%26c', body: null },
    },
    { route: '/v1/calls', query: ['on'], given: { on: false, rest: null }, want: { route: '/v1/calls?on=false', body: { rest: null } } },
  ])('$route with $given', ({ route, query, given, want }) => expect(compileRoute({ route, query })(given)).toEqual(want))

  test('names the field that is missing', () => {
    expect(() => compileRoute({ route: '/v1/calls/{id}', query: [] })({})).toThrow(
      expect.objectContaining({ status: 'INVALID_ARGUMENT', details: [{ field: '/id', rule: 'required' }] }),
    )
  })
})

test('a queue may belong to one instance', () => {
  expect(compileQueue('bin-manager.asterisk.{asterisk_id}.request')({ asterisk_id: 'a-1' })).toBe('bin-manager.asterisk.a-1.request')
  expect(compileQueue('bin-manager.call.request')({})).toBe('bin-manager.call.request')
})

describe('buildMatcher', () => {
  const match = buildMatcher([
    { method: 'GET', route: '/v1/calls', name: 'list' },
    { method: 'POST', route: '/v1/calls', name: 'create' },
    { method: 'GET', route: '/v1/calls/{id}', name: 'get' },
    { method: 'GET', route: '/v1/calls/active', name: 'active' },
    { method: 'POST', route: '/v1/calls/{call_id}/notes/{id}', name: 'note' },
  ] as const)
  test.each([
    { given: ['GET', '/v1/calls'], want: 'list', fields: {} },
    { given: ['POST', '/v1/calls'], want: 'create', fields: {} },
    { given: ['GET', '/v1/calls/a%2Fb'], want: 'get', fields: { id: 'a/b' } },
    { given: ['GET', '/v1/calls/active'], want: 'active', fields: {} },
    { given: ['GET', '/v1/calls/x?a=1&b[]=2&b[]=3&c[]=4'], want: 'get', fields: { id: 'x', a: '1', b: ['2', '3'], c: ['4'] } },
    { given: ['POST', '/v1/calls/c/notes/n'], want: 'note', fields: { call_id: 'c', id: 'n' } },
  ])('$given → $want', ({ given, want, fields }) => {
    const [method = '', route = ''] = given
    expect(match(method, route)).toEqual({ row: expect.objectContaining({ name: want }), fields })
  })
  test.each([
    ['DELETE', '/v1/calls'],
    ['GET', '/v1/other'],
    ['GET', '/v1/calls/'],
    ['GET', '/v1/calls/x/y'],
    ['GET', ''],
  ])('%s %s has no row', (method, route) => expect(match(method, route)).toBeUndefined())
  test('two operations cannot share a route', () => {
    const row = { method: 'GET', route: '/v1/a' } as const
    expect(() => buildMatcher([row, row])).toThrow('two operations share GET /v1/a')
  })
})

test('what one side writes the other side reads', () => {
  const row = { method: 'GET', route: '/v1/x/{id}', query: ['list', 'text'] } as const
  const input = { id: 'ü/ %', list: ['only'], text: 'a=b&c' }
  const { route, body } = compileRoute(row)(input)
  expect(body).toBeNull()
  expect(buildMatcher([row])('GET', route)?.fields).toEqual(input)
})

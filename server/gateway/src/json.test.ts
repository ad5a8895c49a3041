import { describe, expect, test } from 'vitest'
import { parseJson, shapeOf } from './json.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const parse = (text: string): unknown => parseJson(bytes(text), 5)

test.each([
  { text: '[]', depth: 1, members: 0 },
  { text: '{"a":[{"b":":{[","c":1}],"d\\":":null}', depth: 3, members: 4 },
  { text: '[[[[[[[[1]]]]]]]]', depth: 4, members: 0 },
])('$text is $depth deep and has $members members', ({ text, depth, members }) => {
  expect(shapeOf(bytes(text), 3)).toEqual({ depth, members })
})

describe('a name that an object holds twice', () => {
  test.each([
    { text: '{"a":1,"a":2}', field: '/a' },
    { text: '{"a":1,"\\u0061":1}', field: '/a' },
    { text: '{"x":[1,{"b":{}},{"b":[],"c":"\\"b\\":","b":0}]}', field: '/x/2/b' },
    { text: '{"a/b":{"~":1,"~":1}}', field: '/a~1b/~0' },
    { text: '{"__proto__":1,"__proto__":1}', field: '/__proto__' },
    { text: '{"":1,"":1}', field: '/' },
  ])('$text is refused at $field', ({ text, field }) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ details: [expect.objectContaining({ field, rule: 'uniqueNames' })] }))
  })
  test.each(['{"a":{"a":{"a":1}}}', '[{"a":1},{"a":1}]', '{"a":"a","b":"a"}', '{"a":"\\"a\\":1,"}', '{"__proto__":{"a":1}}', '":"', '12'])(
    '%s holds none',
    text => expect(parse(text)).toEqual(JSON.parse(text)),
  )
})

import { expect, test } from 'vitest'
import { pageToken, parsePageToken } from './page.ts'

const position = { tm_create: '2026-01-20T12:00:00.123456Z', id: '0190a1b2-0000-7000-8000-000000000001' }

test('a token leads back to its place', () => expect(parsePageToken(pageToken(position))).toEqual(position))

test.each([
  'x',
  '!!!',
  `${pageToken(position)}x`,
  pageToken({ ...position, id: '' }),
  pageToken({ ...position, tm_create: "2026' OR 1=1" }),
  pageToken({ ...position, tm_create: '2026-99-20T12:00:00.123456Z' }),
])('refuses %s naming the field', token => {
  expect(() => parsePageToken(token)).toThrow(
    expect.objectContaining({ status: 'INVALID_ARGUMENT', details: [expect.objectContaining({ field: '/page_token' })] }),
  )
})

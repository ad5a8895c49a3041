import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { nextAuthorization } from './digest.ts'

const md5 = (text: string) => createHash('md5').update(text).digest('hex')
const credentials = { username: '1001', password: 'secret' }

test('answers the same challenge again with the next nonce count', () => {
  const before =
    'Digest algorithm=MD5, username="1001", realm="r", nonce="n", uri="sip:r", response="x", opaque="o", qop=auth, cnonce="c", nc=00000009'
  const after = nextAuthorization(before, 'REGISTER', credentials) ?? ''
  const cnonce = /cnonce="([^"]+)"/.exec(after)?.[1]
  expect(after).toContain('nc=0000000a')
  expect(after).toContain('opaque="o"')
  expect(after).toContain(`response="${md5(`${md5('1001:r:secret')}:n:0000000a:${cnonce}:auth:${md5('REGISTER:sip:r')}`)}"`)
})

test('knows challenges without qop', () => {
  const after = nextAuthorization('Digest username="1001", realm="r", nonce="n", uri="sip:r", response="x"', 'REGISTER', credentials)
  expect(after).toContain(`response="${md5(`${md5('1001:r:secret')}:n:${md5('REGISTER:sip:r')}`)}"`)
})

test.each(['', 'Bearer abc', 'Digest realm="r"', 'Digest algorithm=SHA-256, realm="r", nonce="n", uri="sip:r"'])(
  'leaves %j alone',
  before => expect(nextAuthorization(before, 'REGISTER', credentials)).toBeUndefined(),
)

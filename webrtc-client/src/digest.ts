import { Utils } from 'jssip'

const md5 = (text: string): string => Utils.calculateMD5(text)

export interface DigestCredentials {
  username: string
  password: string
}

/**
 * Value of an `Authorization` header (RFC 2617, MD5) that answers the challenge of an earlier one again, with the next nonce count.
 *
 * A page that is being closed cannot wait for a 401 and answer it, so its last REGISTER has to carry credentials at once.
 * Gives undefined for schemes other than Digest with MD5.
 */
export function nextAuthorization(previous: string, method: string, { username, password }: DigestCredentials): string | undefined {
  const field = (name: string): string | undefined => {
    const match = new RegExp(`[ ,]${name}\\s*=\\s*(?:"([^"]*)"|([^\\s,]+))`, 'i').exec(previous)
    return match?.[1] ?? match?.[2]
  }
  const realm = field('realm')
  const nonce = field('nonce')
  const uri = field('uri')
  const opaque = field('opaque')
  if (!/^Digest /i.test(previous) || !realm || !nonce || !uri || (field('algorithm') ?? 'MD5').toUpperCase() !== 'MD5') return undefined

  const ha1 = md5(`${username}:${realm}:${password}`)
  const ha2 = md5(`${method}:${uri}`)
  const common = `Digest algorithm=MD5, username="${username}", realm="${realm}", nonce="${nonce}", uri="${uri}"${opaque ? `, opaque="${opaque}"` : ''}`
  if (field('qop') !== 'auth') return `${common}, response="${md5(`${ha1}:${nonce}:${ha2}`)}"`

  const count = (Number.parseInt(field('nc') ?? '0', 16) + 1).toString(16).padStart(8, '0')
  const clientNonce = Array.from(crypto.getRandomValues(new Uint8Array(8)), byte => byte.toString(16).padStart(2, '0')).join('')
  return `${common}, response="${md5(`${ha1}:${nonce}:${count}:${clientNonce}:auth:${ha2}`)}", qop=auth, cnonce="${clientNonce}", nc=${count}`
}

import type { IncomingHttpHeaders } from 'node:http'
import { fail } from './errors.ts'

export interface Credential {
  kind: 'token' | 'accesskey'
  value: string
}

/** `ak_` and 32 characters; older clients send access keys where tokens go, so the form decides. */
const accesskeyForm = /^ak_[A-Za-z0-9]{32}$/
const maxLength = 4_096

const byForm = (value: string): Credential => {
  if (value.length === 0 || value.length > maxLength) throw fail.unauthenticated()
  return { kind: value.startsWith('ak_') ? 'accesskey' : 'token', value }
}
const accesskey = (value: string): Credential => {
  if (!accesskeyForm.test(value)) throw fail.unauthenticated()
  return { kind: 'accesskey', value }
}

/**
 * Finds the credential of a request: `Authorization: Bearer <jwt or ak_…>`, `Authorization: AccessKey ak_…`, `?token=`, `?accesskey=`.
 * The header wins. Undefined when there is none; throws UNAUTHENTICATED for one in no known form.
 */
export function readCredential(headers: IncomingHttpHeaders, url: string): Credential | undefined {
  const header = headers.authorization
  if (header !== undefined) {
    const space = header.indexOf(' ')
    const scheme = header.slice(0, space).toLowerCase()
    const value = header.slice(space + 1).trim()
    if (scheme === 'bearer') return checked(byForm(value))
    if (scheme === 'accesskey') return accesskey(value)
    throw fail.unauthenticated('Authorization takes Bearer <token> or AccessKey <key>.')
  }
  const mark = url.indexOf('?')
  // Most requests have no query at all, or none that matters here.
  if (mark < 0 || !/[?&](?:token|accesskey)=/.test(url)) return undefined
  const query = new URLSearchParams(url.slice(mark + 1))
  const given = [...query.getAll('accesskey').map(accesskey), ...query.getAll('token').map(value => checked(byForm(value)))]
  // Whose request it is must not depend on who reads it first.
  if (given.length !== 1) throw fail.unauthenticated('Send one credential.')
  return given[0]
}

const checked = (credential: Credential): Credential => (credential.kind === 'accesskey' ? accesskey(credential.value) : credential)

/** What a first `auth` frame of a WebSocket carries. */
export const frameCredential = ({ token, accesskey: key }: { token?: string; accesskey?: string }): Credential =>
  key !== undefined ? accesskey(key) : checked(byForm(token ?? ''))

/** Query parameters that carry credentials: never part of an operation's own input. */
export const credentialParameters: ReadonlySet<string> = new Set(['token', 'accesskey'])

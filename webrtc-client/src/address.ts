import { PhoneError } from './errors.ts'

/** The other side of a call. */
export interface Identity {
  /** SIP URI without parameters, e.g. `sip:+15551234567@pstn.example`. */
  uri: string
  /** What a person would dial: the user part of the URI. */
  target: string
  /** Name sent by the other side, empty when there is none. */
  displayName: string
}

/**
 * SIP URI for what a person typed or pasted: a number in any usual spelling, an extension, `tel:`, `sip:` or `user@host`.
 * Throws `invalid_target` for anything that holds nothing to dial or characters that a SIP user part must not have.
 */
export function targetUri(input: string, domain: string): string {
  // Contacts are copied with marks for the direction of writing around the number, which nobody sees.
  const text = input
    .replace(/\p{Cf}/gu, '')
    .trim()
    .replace(/^tel:/i, '')
  const uri = /^sips?:([^@\s;?]+)@([^\s;?]+)/i.exec(text) ?? /^([^@\s;?]+)@([^\s;?]+)$/.exec(text)
  const user = uri?.[1] ?? plainUser(text)
  const host = uri?.[2] ?? domain
  if (!/^[\w.!~*'()&=+$,/#%-]+$/.test(user)) throw new PhoneError('invalid_target', { 'pii.target': input })
  return `sip:${user.replaceAll('#', '%23')}@${host}`
}

/**
 * A number without the dots, dashes, blanks and brackets people write, and without the `(0)` that is only dialled inside the country; other names only
 * lose surrounding blanks.
 */
function plainUser(text: string): string {
  const number = text.replace(/^(\+[\d\s]+)\(0\)/, '$1').replace(/[\s().\-/[\]\u2010-\u2015]/g, '')
  return /^\+?[\d*#]+$/.test(number) ? number : text
}

/** User part as a person would read it. What is no valid escape stays as it came. */
export function decodeUser(user: string): string {
  try {
    return decodeURIComponent(user)
  } catch {
    return user
  }
}

/** Spaces a North American number out for reading: `+15551234567` → `+1 555 123 4567`. Others need a numbering plan and stay as they are. */
export function formatTarget(target: string): string {
  return target.replace(/^\+1(\d{3})(\d{3})(\d{4})$/, '+1 $1 $2 $3')
}

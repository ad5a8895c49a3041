import { hash, verify } from '@node-rs/argon2'

// OWASP's minimum for argon2id (RFC 9106): 19 MiB, two passes, about 20 ms. 2 = Algorithm.Argon2id, a const enum that cannot be imported here.
const cost = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** The text to store, with salt and cost in it. */
export const hashPassword = (password: string): Promise<string> => hash(password, cost)

let decoy: Promise<string> | undefined

/**
 * Whether the password is right. Give `null` for an account that does not exist: it takes as long, so that nobody learns which names do.
 */
export async function checkPassword(stored: string | null, password: string): Promise<boolean> {
  if (stored !== null) return verify(stored, password)
  decoy ??= hashPassword('nobody has this password')
  await verify(await decoy, password)
  return false
}

/** The stored text was made with another cost; hash again at the next login. */
export const isOutdated = (stored: string): boolean =>
  !stored.startsWith(`$argon2id$v=19$m=${cost.memoryCost},t=${cost.timeCost},p=${cost.parallelism}$`)

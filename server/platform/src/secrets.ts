import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { PlatformError } from './errors.ts'
import { readIfExists, writeAtomically } from './files.ts'
import type { Paths } from './paths.ts'

const hex = (bytes: number) => () => randomBytes(bytes).toString('hex')
const secret = (bytes = 24) => z.string().min(16).default(hex(bytes))

const known = z.string().nullable().default(null)

/** Credentials of a customer that the launcher makes: what it chose, and what the platform answered once and never shows again. */
const accountSchema = z.strictObject({
  password: secret(9),
  extension_passwords: z.array(z.string()).default(() => [hex(9)(), hex(9)()]),
  /** Whose the two below are: they are made anew for another customer. */
  customer_id: known,
  accesskey: known,
  webhook_secret: known,
})
export type AccountSecrets = z.infer<typeof accountSchema>
const account = () => accountSchema.prefault({})

/** Everything secret of one installation, generated once. A field added later is generated at the next start. */
const secretsSchema = z.strictObject({
  mysql_root_password: secret(),
  /** Reads and writes rows of the platform's tables. */
  mysql_app_password: secret(),
  /** Owns the platform's tables: migrations only. */
  mysql_migrate_password: secret(),
  mysql_kamailio_password: secret(),
  redis_password: secret(),
  rabbitmq_password: secret(),
  rabbitmq_cookie: secret(),
  ari_password: secret(),
  /** A nonce of one edge is good at another: they share it. */
  kamailio_nonce_secret: secret(),
  /** What the edges' control listeners ask for. */
  kamailio_control_token: secret(),
  /** HS256; two may be valid at once, the first signs. */
  jwt_keys: z
    .array(z.strictObject({ id: z.string(), key: z.string() }))
    .min(1)
    .default(() => [{ id: hex(4)(), key: hex(32)() }]),
  /** 32 bytes in base64: encrypts secrets that must be read back, and the keys of stored objects. */
  installation_key: z
    .base64()
    .length(44)
    .default(() => randomBytes(32).toString('base64')),
  super_admin_password: secret(),
  demo: account(),
  demo_other: account(),
  /** The customer whose number the self-test calls. */
  self_test: account(),
})
export type Secrets = z.infer<typeof secretsSchema>

/** Reads the installation's secrets, makes what is missing. The file is readable by its owner only. */
export function loadSecrets(paths: Paths): Secrets {
  const text = readIfExists(paths.secretsFile)
  const secrets = parse(paths.secretsFile, text ?? '{}')
  if (formatted(secrets) !== text) saveSecrets(paths, secrets)
  return secrets
}

/** Keeps what was learned since: credentials that are shown once. */
export function saveSecrets(paths: Paths, secrets: Secrets): void {
  writeAtomically(paths.secretsFile, formatted(secrets), 0o600)
}

const formatted = (secrets: Secrets): string => `${JSON.stringify(secrets, null, 2)}\n`

function parse(file: string, text: string): Secrets {
  const hint = 'Put back a copy of it. Removing it makes new secrets, which open neither the existing database nor what was encrypted.'
  try {
    const parsed = secretsSchema.safeParse(JSON.parse(text))
    if (parsed.success) return parsed.data
    const problems = parsed.error.issues.map(issue => `${issue.path.join('.') || 'file'}: ${issue.message}`)
    throw new PlatformError(`${file} is damaged: ${problems.join('; ')}.\n  ${hint}`)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new PlatformError(`${file} is damaged: ${error.message}.\n  ${hint}`)
  }
}

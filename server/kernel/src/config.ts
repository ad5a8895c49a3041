import { z } from 'zod'
import { AddressGuard, parseNetworks } from './address-guard.ts'
import { parseKeyRing } from './crypto.ts'

/** The boot is refused: the message names every variable that is wrong and the rule it breaks, never its value. */
export class ConfigError extends Error {
  readonly variables: readonly string[]
  constructor(problems: readonly { variable: string; rule: string }[]) {
    super(['configuration refused:', ...problems.map(({ variable, rule }) => `  ${variable}: ${rule}`)].join('\n'))
    this.name = 'ConfigError'
    this.variables = problems.map(({ variable }) => variable)
  }
}

/** Parses the environment once, at boot. An empty variable counts as missing. Throws ConfigError. */
export function loadConfig<S extends z.ZodObject>(schema: S, env: Readonly<Record<string, string | undefined>> = process.env): z.infer<S> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
  const parsed = schema.safeParse(given, { reportInput: true })
  if (parsed.success) return parsed.data
  throw new ConfigError(
    parsed.error.issues.map(issue => ({
      variable: String(issue.path[0] ?? 'environment'),
      rule: issue.input === undefined ? `is missing; ${ruleOf(schema, issue)}` : ruleOf(schema, issue),
    })),
  )
}

const ruleOf = (schema: z.ZodObject, issue: { path: PropertyKey[]; message: string }): string => {
  const field = schema.shape[String(issue.path[0])] as z.ZodType | undefined
  return (field && describedRule(field)) ?? issue.message
}

/** A rule given by `.describe()`, also below `.default()` and `.optional()`. */
function describedRule(field: z.ZodType): string | undefined {
  if (field.description !== undefined) return field.description
  return field instanceof z.ZodDefault || field instanceof z.ZodOptional ? describedRule(field.unwrap() as z.ZodType) : undefined
}

const url = (...schemes: string[]) => {
  const rule = `must be a URL that starts with ${schemes.map(scheme => `${scheme}://`).join(' or ')}`
  return z
    .string()
    .refine(text => schemes.some(scheme => text.startsWith(`${scheme}://`)) && URL.canParse(text), rule)
    .describe(rule)
}

/** A TCP or UDP port; 0 takes any free one. */
export const port = () => z.coerce.number().int().min(0).max(65_535).describe('must be a port number, 0 to 65535')

/** `true`, `1`, `yes`, `on` and their opposites. */
export const flag = () => z.stringbool().describe('must be true or false')

/** Whether `parse` takes a text; what it throws for one it does not take is a TypeError. */
const isParsed = (parse: (text: string) => unknown) => (text: string) => {
  try {
    parse(text)
    return true
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
}

/** A whole number from `least` to `most`; `unit` completes "must be a number of …". */
export const count = (unit: string, least: number, most: number) =>
  z.coerce.number().int().min(least).max(most).describe(`must be a number of ${unit}, ${least} to ${most}`)

/** Where requests of the platform may go besides public addresses. A service that checks a URL when it is given declares them, too. */
export const addressSettings = {
  /** Lets the platform send requests to every address. For tests and closed installations. */
  HTTP_ALLOW_PRIVATE: flag().default(false),
  /** Addresses and networks that requests may go to although they are not public, separated by commas. For development. */
  HTTP_ALLOW_ADDRESSES: z
    .string()
    .refine(isParsed(parseNetworks))
    .default('')
    .describe('must be addresses or networks (10.1.0.0/16), separated by commas'),
}

type AddressSettings = { HTTP_ALLOW_PRIVATE: boolean; HTTP_ALLOW_ADDRESSES: string }
const guardOf = (settings: AddressSettings): AddressGuard =>
  new AddressGuard({ allow_private: settings.HTTP_ALLOW_PRIVATE, allow: settings.HTTP_ALLOW_ADDRESSES })

/** Whether a URL could be asked under these settings, judged by its looks; names are looked up, and checked, when they are used. */
export const mayRequest = (uri: string, settings: AddressSettings): boolean => guardOf(settings).acceptsUri(uri)

/** Whether a URL that a server of ours is to fetch leads to where requests may go, its name looked up. */
export const mayFetch = (uri: string, settings: AddressSettings): Promise<boolean> => guardOf(settings).reaches(uri)

/** What every program of the platform may need. Pick with `.pick({…})`, add with `.extend({…})`. */
export const sharedConfig = z.object({
  MYSQL_URL: url('mysql'),
  MYSQL_POOL_MAX: z.coerce.number().int().min(1).max(200).default(20).describe('must be a number of connections, 1 to 200'),
  REDIS_URL: url('redis', 'rediss'),
  /** Before every Redis key and AMQP queue name of this installation. Empty by default. */
  REDIS_PREFIX: z.string().max(64).default('').describe('must be at most 64 characters'),
  AMQP_URL: url('amqp', 'amqps'),
  /** Where this process publishes states (ZeroMQ); without it, it does not. */
  ZMQ_BIND: z
    .string()
    .regex(/^tcp:\/\/[^\s:]+:(\d{1,5}|\*)$/)
    .optional()
    .describe('must be tcp://<address>:<port>'),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('must be debug, info, warn, error or silent'),
  /** Tells instances of one service apart in logs. */
  INSTANCE: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .optional()
    .describe('must be 1 to 64 letters, digits, dots, dashes or underscores'),
  PORT_HEALTH: port().default(8080),
  PORT_METRICS: port().optional(),
  /** Address the health listener binds. */
  HOST_HEALTH: z.string().min(1).default('127.0.0.1').describe('must be an address to listen on'),
  /** One or more base64 keys of 32 bytes, the current one first. */
  INSTALLATION_KEY: z.string().refine(isParsed(parseKeyRing)).describe('must be one or more base64 keys of 32 bytes, separated by commas'),
  ...addressSettings,
})

/** A setting of a fixed form; `rule` completes "SIP_DOMAIN: …" when the boot is refused. */
export const text = (form: RegExp, rule: string) => z.string().regex(form).describe(rule)

/** A setting that is a domain name. */
export const domainName = () =>
  text(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, 'must be a domain name in small letters')

/** What one service reads from the environment. Given to `defineService`; the runtime parses it once, at its start. */
export interface ServiceConfig<T = unknown> {
  readonly schema: z.ZodObject
  /** The parsed values, typed. */
  of(ctx: { readonly config: Readonly<Record<string, unknown>> }): T
}

/** Declares the variables a service reads: `export const config = serviceConfig({ SIP_DOMAIN: text(…) })`, then `config.of(ctx)`. */
export function serviceConfig<S extends z.ZodRawShape>(shape: S): ServiceConfig<z.infer<z.ZodObject<S>>> {
  const schema = z.object(shape)
  return { schema, of: ctx => ctx.config as z.infer<z.ZodObject<S>> }
}

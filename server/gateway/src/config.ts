import { readFileSync } from 'node:fs'
import { count, loadConfig, port, sharedConfig } from '@voipbin/kernel'
import { z } from 'zod'
import { parseKeys } from './tokens.ts'

export const listOf = (text: string): string[] =>
  text
    .split(',')
    .map(part => part.trim())
    .filter(Boolean)
const isListOf = (fits: (part: string) => boolean) => (text: string) => listOf(text).every(fits)

const isKeys = (text: string): boolean => {
  try {
    return parseKeys(text).length > 0
  } catch {
    return false
  }
}
const readable = (path: string): boolean => {
  try {
    return readFileSync(path).length > 0
  } catch {
    return false
  }
}
const isJsonObject = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

const schema = sharedConfig
  .pick({
    MYSQL_URL: true,
    MYSQL_POOL_MAX: true,
    REDIS_URL: true,
    REDIS_PREFIX: true,
    AMQP_URL: true,
    LOG_LEVEL: true,
    INSTANCE: true,
    PORT_HEALTH: true,
    PORT_METRICS: true,
    HOST_HEALTH: true,
    INSTALLATION_KEY: true,
  })
  .extend({
    /** Where clients connect. */
    HTTP_HOST: z.string().min(1).default('127.0.0.1').describe('must be an address to listen on'),
    HTTP_PORT: port().default(8080),
    /** A second listener with TLS. Needs TLS_CERT and TLS_KEY. */
    HTTPS_PORT: port().optional(),
    TLS_CERT: z.string().refine(readable).optional().describe('must be the path of a readable PEM file'),
    TLS_KEY: z.string().refine(readable).optional().describe('must be the path of a readable PEM file'),
    /** `kid:secret[,kid:secret]`; the first signs, all verify. */
    JWT_KEYS: z
      .string()
      .refine(isKeys)
      .describe('must be kid:secret[,kid:secret…], each secret with 32 characters or more and each kid once'),
    /** Where clients find the gateway, for the documents it serves. */
    PUBLIC_URLS: z
      .string()
      .default('')
      .refine(isListOf(url => URL.canParse(url)))
      .describe('must be URLs separated by commas'),
    CORS_ORIGINS: z.string().default('*').describe('must be origins separated by commas, or *'),
    /** Proxies in front whose X-Forwarded-For counts. */
    TRUST_PROXY: count('proxies', 0, 10).default(0),
    /** Folder with the built softphone; without it /softphone/ is not served. */
    SOFTPHONE_DIR: z.string().optional(),
    SOFTPHONE_CONFIG: z.string().refine(isJsonObject).default('{}').describe('must be a JSON object'),
    /** Publishers of states (ZeroMQ). A host name stands for all addresses it has. */
    ZMQ_CONNECT: z
      .string()
      .default('')
      .refine(isListOf(one => /^tcp:\/\/\S+:\d{1,5}$/.test(one) && URL.canParse(one)))
      .describe('must be tcp://<host>:<port>, separated by commas'),
    WS_SOCKETS_PER_CUSTOMER: count('sockets', 1, 1_000_000).default(1_000),
    WS_TOPICS_PER_SOCKET: count('topics', 1, 10_000).default(100),
  })
  .refine(config => config.HTTPS_PORT === undefined || (config.TLS_CERT !== undefined && config.TLS_KEY !== undefined), {
    path: ['TLS_CERT'],
    message: 'and TLS_KEY are needed with HTTPS_PORT',
  })
export type GatewayConfig = z.infer<typeof schema>

/** Reads the environment. Throws ConfigError naming each variable that is wrong. */
export const readConfig = (env?: Readonly<Record<string, string | undefined>>): GatewayConfig => loadConfig(schema, env)

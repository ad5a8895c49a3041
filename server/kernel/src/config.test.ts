import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ConfigError, flag, loadConfig, serviceConfig, sharedConfig, text } from './config.ts'

const key = Buffer.alloc(32, 7).toString('base64')
const good = {
  MYSQL_URL: 'mysql://u:p@127.0.0.1:3306/voipbin',
  REDIS_URL: 'redis://127.0.0.1',
  AMQP_URL: 'amqp://127.0.0.1',
  INSTALLATION_KEY: key,
}

test('fills in defaults and reads numbers', () => {
  expect(loadConfig(sharedConfig, { ...good, PORT_HEALTH: '9000', HTTP_ALLOW_PRIVATE: 'true', LOG_LEVEL: '' })).toMatchObject({
    PORT_HEALTH: 9000,
    HTTP_ALLOW_PRIVATE: true,
    LOG_LEVEL: 'info',
    MYSQL_POOL_MAX: 20,
  })
})

describe('a refused boot names the variable and the rule', () => {
  test.each([
    { variable: 'MYSQL_URL', value: undefined, rule: /is missing; must be a URL that starts with mysql:\/\// },
    { variable: 'MYSQL_URL', value: 'postgres://x', rule: /must be a URL/ },
    { variable: 'REDIS_URL', value: 'localhost', rule: /redis:\/\/ or rediss:\/\// },
    { variable: 'AMQP_URL', value: '', rule: /is missing/ },
    { variable: 'LOG_LEVEL', value: 'loud', rule: /must be debug, info/ },
    { variable: 'PORT_HEALTH', value: '70000', rule: /port number/ },
    { variable: 'PORT_HEALTH', value: 'http', rule: /port number/ },
    { variable: 'INSTALLATION_KEY', value: 'hunter2', rule: /base64 keys of 32 bytes/ },
    { variable: 'HTTP_ALLOW_PRIVATE', value: 'perhaps', rule: /true or false/ },
    { variable: 'INSTANCE', value: 'a b', rule: /letters, digits/ },
  ])('$variable = $value', ({ variable, value, rule }) => {
    const boot = () => loadConfig(sharedConfig, { ...good, [variable]: value })
    expect(boot).toThrow(ConfigError)
    expect(boot).toThrow(new RegExp(`${variable}: .*${rule.source}`))
    if (value && value !== 'localhost') expect(boot).not.toThrow(value)
  })

  test('every wrong one at once', () => {
    expect(() => loadConfig(sharedConfig, {})).toThrow(/MYSQL_URL[\s\S]*REDIS_URL[\s\S]*AMQP_URL[\s\S]*INSTALLATION_KEY/)
  })
  test('of an own schema too', () => {
    const schema = sharedConfig.pick({ MYSQL_URL: true }).extend({ FAST: flag(), SIZE: z.coerce.number().max(5) })
    expect(() => loadConfig(schema, { MYSQL_URL: good.MYSQL_URL, FAST: 'no', SIZE: '6' })).toThrow('SIZE: ')
  })
})

test('a service declares its own variables and reads them typed', () => {
  const config = serviceConfig({ SIP_DOMAIN: text(/^[a-z.]+$/, 'must be a domain name'), FAST: flag().default(false) })
  const ctx = { config: loadConfig(config.schema, { SIP_DOMAIN: 'sip.test', OTHER: 'x' }) }
  expect(config.of(ctx)).toEqual({ SIP_DOMAIN: 'sip.test', FAST: false })
  expect(() => loadConfig(config.schema, {})).toThrow('SIP_DOMAIN: is missing; must be a domain name')
})

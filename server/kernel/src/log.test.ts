import { expect, test } from 'vitest'
import { createLogger, type LogOptions } from './log.ts'

const capture = (options: Partial<LogOptions> = {}) => {
  const lines: Record<string, unknown>[] = []
  const log = createLogger({
    service: 'call',
    instance: 'call-1',
    to: { write: (line: string) => void lines.push(JSON.parse(line)) },
    ...options,
  })
  return { log, lines }
}

test('writes the fields of the platform', () => {
  const { log, lines } = capture()
  log.child({ request_id: 'r1', customer_id: 'c1' }).info('call created', { call_id: 'x' })
  expect(lines).toEqual([
    {
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: 'info',
      service: 'call',
      instance: 'call-1',
      message: 'call created',
      request_id: 'r1',
      customer_id: 'c1',
      call_id: 'x',
    },
  ])
})

test('a child may speak for a service, a line may not', () => {
  const { log, lines } = capture()
  log.child({ service: 'flow', level: 'x' }).info('flow began', { service: 'fake' })
  expect(lines[0]).toMatchObject({ service: 'flow', instance: 'call-1', level: 'info', field_level: 'x', field_service: 'fake' })
})

test('keeps to its level', () => {
  const { log, lines } = capture({ level: 'warn' })
  log.info('quiet')
  log.warn('loud')
  expect(lines.map(line => line.message)).toEqual(['loud'])
})

test.each([
  { authorization: 'Bearer abcdefghijkl' },
  { headers: { Authorization: 'AccessKey ak_0123456789abcdef0123456789abcdef' } },
  { body: { password: 'planted', new_password: 'planted' } },
  { list: [{ webhook_secret: 'planted' }] },
  { accesskey: 'planted', token: 'planted', token_hash: 'planted', ha1: 'planted' },
  { url: 'https://x/ws?token=planted&a=1' },
  { url: '/v1.0/calls?accesskey=planted' },
  { text: 'key ak_plantedplantedplanted1 in text' },
  { url: 'amqp://guest:planted@127.0.0.1' },
  { err: new Error('cannot reach mysql://root:planted@db', { cause: { secret: 'planted' } }) },
  { err: Object.assign(new Error('Failed query: insert into x\nparams: planted'), { params: ['planted'], query: 'insert into x' }) },
])('no credential gets into a line: %#', fields => {
  const { log, lines } = capture()
  log.info('request', fields)
  log.child(fields).error('again')
  const text = JSON.stringify(lines)
  expect(text).not.toMatch(/planted|abcdefghijkl|ak_0123/)
})

test('a field cannot pose as the line itself', () => {
  const { log, lines } = capture()
  log.info('real', { message: 'fake', level: 'fatal', page_token: 'kept', accesskey_id: 'kept' })
  expect(lines[0]).toMatchObject({ message: 'real', level: 'info', field_message: 'fake', page_token: 'kept', accesskey_id: 'kept' })
})

test('errors keep what tells about them', () => {
  const { log, lines } = capture()
  log.error('handler failed', { err: Object.assign(new Error('outer', { cause: new TypeError('inner') }), { code: 'E1' }) })
  expect(lines[0]).toMatchObject({
    err: { message: 'outer', code: 'E1', stack: expect.stringContaining('log.test'), cause: { message: 'inner' } },
  })
})

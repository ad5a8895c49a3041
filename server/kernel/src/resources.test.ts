import { mysqlTable, varchar } from 'drizzle-orm/mysql-core'
import { expect, test } from 'vitest'
import { owned } from './columns.ts'
import type { Contract } from './contract.ts'
import { repo } from './repo.ts'
import { defineService } from './service.ts'

const table = mysqlTable('lamp_lamps', { ...owned, name: varchar({ length: 10 }) })
const lamps = repo(table, { resource: 'lamp' })
const contract = { name: 'lamp', methods: {}, emits: {}, consumes: {}, calls: {} } as unknown as Contract
const define = (schema: object, consumers: object = {}, emits: object = {}) =>
  defineService({ ...contract, emits } as Contract, { handlers: {}, consumers, schema } as never)

test('the repos of a schema are the resources of the service; its tables and types are not', () => {
  expect(define({ table, lamps, limit: 3 }).resources).toEqual({ lamp: lamps })
})

test('two repos of one resource are refused', () => {
  expect(() => define({ lamps, again: repo(table, { resource: 'lamp' }) })).toThrow('two repos of one schema keep the resource lamp')
})

test.each([
  { when: 'the event is unknown', emits: {}, consumers: {}, want: 'contracts/asyncapi/lamp.yaml has no event lamp.deleted' },
  {
    when: 'nobody listens',
    emits: { 'lamp.deleted': {} },
    consumers: {},
    want: 'contracts/asyncapi/lamp.yaml must receive customer.deleted',
  },
])('rows that go with their customer are refused when $when', ({ emits, consumers, want }) => {
  const leaving = repo(table, { resource: 'lamp', onCustomerDeleted: 'lamp.deleted' })
  expect(() => define({ leaving }, consumers, emits)).toThrow(want)
})

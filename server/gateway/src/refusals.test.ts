import { expect, test } from 'vitest'
import { type CountedRefusal, type Refusal, Refusals } from './refusals.ts'

const refusal = (fields: Partial<Refusal> = {}): Refusal => ({
  action: 'unauthenticated',
  customer_id: '',
  actor_type: '',
  actor_id: '',
  operation: 'getCall',
  reason: 'UNAUTHENTICATED',
  address: '10.0.0.1',
  user_agent: 'x',
  request_id: 'r',
  ...fields,
})

test('a flood of the same refusal becomes two records', async () => {
  const written: CountedRefusal[] = []
  const refusals = new Refusals({ write: async records => void written.push(...records), onFault: () => undefined })
  for (let i = 0; i < 10_000; i++) refusals.add(refusal({ request_id: String(i) }))
  await refusals.close()
  expect(written.map(record => record.count)).toEqual([1, 9_999])
})

test('a flood of different refusals is bounded, and none is uncounted', async () => {
  const written: CountedRefusal[] = []
  const refusals = new Refusals({ write: async records => void written.push(...records), onFault: () => undefined, max: 10 })
  for (let i = 0; i < 500; i++) refusals.add(refusal({ address: `10.0.${i >> 8}.${i & 255}` }))
  await refusals.close()
  expect(written).toHaveLength(11)
  expect(written.reduce((sum, record) => sum + record.count, 0)).toBe(500)
})

test('a database that is away is reported and ends nothing', async () => {
  const faults: unknown[] = []
  const refusals = new Refusals({ write: () => Promise.reject(new Error('away')), onFault: error => faults.push(error) })
  refusals.add(refusal())
  await refusals.close()
  expect(faults).toHaveLength(1)
})

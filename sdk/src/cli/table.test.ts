import { expect, test } from 'vitest'
import { recordText, tableText } from './table.ts'

const head = (text: string): string => text

test('a table is as wide as the terminal: ids whole, long names shortened, wide letters counted twice, the rest left out', () => {
  const rows = [
    {
      id: 'a'.repeat(36),
      customer_id: 'c',
      name: '가나다 support line with a very long name indeed',
      status: 'enabled',
      note: 'x'.repeat(30),
      empty: null,
    },
    { id: 'b'.repeat(36), customer_id: 'c', name: 'short', status: 'enabled', note: '', empty: null },
  ]
  const lines = tableText(rows, { columns: 80, head }).split('\n')
  expect(lines).toEqual([
    `${'ID'.padEnd(36)}  ${'NAME'.padEnd(32)}  STATUS`,
    `${'a'.repeat(36)}  가나다 support line with a very…  enabled`,
    `${'b'.repeat(36)}  ${'short'.padEnd(32)}  enabled`,
    '',
  ])
})

test('ids of other things and times come last, lists of things not at all', () => {
  const row = {
    id: '1',
    flow_id: 'f',
    tm_finish: '2026-01-20T12:00:30.000000Z',
    actions: [{ type: 'answer' }],
    amount: -5,
    tm_create: '2026-01-20T12:00:00.120000Z',
    status: 'x',
  }
  expect(tableText([row], { columns: 200, head })).toBe(
    'ID  STATUS  TM_CREATE            AMOUNT  TM_FINISH            FLOW_ID\n1   x       2026-01-20 12:00:00  -5      2026-01-20 12:00:30  f\n',
  )
})

test('one thing shows everything, null as nothing', () => {
  expect(recordText({ id: '1', actions: [{ type: 'answer' }], tm_delete: null }, head)).toBe(
    'id         1\nactions    [{"type":"answer"}]\ntm_delete\n',
  )
})

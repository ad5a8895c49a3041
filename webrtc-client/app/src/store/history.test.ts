import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { openApi } from './api.ts'
import { clearHistory, loadHistory, rows } from './history.ts'

/** Answers that wait to be given, by the id of their only row. */
const waiting: ((id: string) => void)[] = []
const server = createServer((_request, response) => {
  waiting.push(id => response.setHeader('content-type', 'application/json').end(JSON.stringify({ result: [{ id }], next_page_token: '' })))
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

test('calls that arrive after signing out are not shown to whoever signs in next', async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  openApi({ api_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1.0` })
  const first = loadHistory()
  await expect.poll(() => waiting).toHaveLength(1)
  clearHistory()
  const second = loadHistory()
  await expect.poll(() => waiting).toHaveLength(2)
  waiting[0]?.('of the first')
  await first
  expect(rows.value).toEqual([])
  waiting[1]?.('of the second')
  await second
  expect(rows.value).toEqual([{ id: 'of the second' }])
})

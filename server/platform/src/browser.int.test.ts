import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'

let server: Server
beforeAll(async () => {
  server = createServer((_, response) =>
    response.setHeader('content-type', 'text/html').end('<title>before</title><button onclick="document.title=\'after\'">go</button>'),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})
afterAll(() => new Promise(resolve => server.close(resolve)))

it('the browser of the tests opens a page and runs its script', async () => {
  const quiet = ['--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  const browser = await chromium.launch({
    executablePath: process.env.VOIPBIN_CHROMIUM ?? 'VOIPBIN_CHROMIUM is not set',
    args: ['--no-sandbox', ...quiet],
  })
  try {
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await page.click('button')
    expect(await page.title()).toBe('after')
  } finally {
    await browser.close()
  }
})

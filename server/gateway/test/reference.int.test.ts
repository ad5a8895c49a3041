import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fixture, type Tenant } from './fixture.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Where pictures go for people to look at; nowhere unless asked. */
const pictures = process.env.VOIPBIN_PICTURES

let fixture: Fixture
let tenant: Tenant
let browser: Browser
beforeAll(async () => {
  const executablePath = process.env.VOIPBIN_CHROMIUM
  if (!executablePath) throw new Error('VOIPBIN_CHROMIUM names the browser of these tests; `npm test` sets it')
  fixture = await Fixture.open()
  tenant = fixture.tenant()
  const quiet = ['--no-sandbox', '--headless=new', '--disable-gpu', '--disable-background-networking', '--disable-component-update']
  browser = await chromium.launch({ executablePath, args: [...quiet, '--disable-sync', '--no-first-run'] })
})
afterAll(async () => {
  await browser.close()
  await fixture.close()
})

interface Look {
  scheme?: 'light' | 'dark'
  width?: number
}
interface Visit {
  page: Page
  /** Requests to anywhere else, what was refused, and what the page complained about. */
  strange: string[]
}

async function visit(path: string, { scheme = 'light', width = 1280 }: Look = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width, height: 850 }, colorScheme: scheme })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const strange: string[] = []
  page.on('request', request => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(fixture.url('/'))) strange.push(request.url())
  })
  page.on('pageerror', error => strange.push(error.message))
  page.on('console', message => {
    if (message.type() === 'error') strange.push(message.text())
  })
  await page.goto(fixture.url(path))
  return { page, strange }
}

async function picture(page: Page, name: string): Promise<void> {
  if (!pictures) return
  mkdirSync(pictures, { recursive: true })
  await page.screenshot({ path: join(pictures, `reference-${name}.png`) })
}

describe('the reference of the REST API', () => {
  test('finds an operation, and shows it as a command and as a program', async () => {
    const { page, strange } = await visit('/docs')
    // Only then does it listen to the keyboard.
    await page.getByRole('heading', { level: 1 }).first().waitFor()
    await page.keyboard.press('Control+k')
    const box = page.getByRole('dialog').getByRole('combobox').or(page.getByRole('dialog').getByRole('textbox')).first()
    await box.fill('hang up a call')
    await page
      .getByRole('option', { name: /Hang up a call/ })
      .first()
      .click()
    const section = page
      .locator('section')
      .filter({ has: page.getByRole('heading', { name: /Hang up a call/ }) })
      .last()
    await section.getByText('-H "Authorization: AccessKey $VOIPBIN_ACCESS_KEY"').waitFor()
    await picture(page, 'operation')
    await section.getByRole('button', { name: /curl/i }).first().click()
    await page
      .getByRole('option', { name: 'TypeScript SDK' })
      .or(page.getByRole('menuitem', { name: 'TypeScript SDK' }))
      .first()
      .click()
    await section.getByText('client.calls.hangup(').first().waitFor()
    await page.context().close()
    expect(strange).toEqual([])
  })

  test('tries an operation with the credential that was typed in, and forgets it', async () => {
    const token = await fixture.login(tenant)
    const { page, strange } = await visit('/docs#tag/me/GET/v1.0/me')
    await page.getByRole('textbox', { name: /token/i }).first().fill(token)
    const section = page
      .locator('section')
      .filter({ has: page.getByText('/v1.0/me', { exact: true }) })
      .last()
    await section
      .getByRole('button', { name: /Test Request/ })
      .first()
      .click()
    const answer = page.waitForResponse(response => response.url().endsWith('/v1.0/me'))
    await page.getByRole('button', { name: /^Send/ }).first().click()
    const response = await answer
    expect(response.status()).toBe(200)
    expect(await response.json()).toMatchObject({ customer_id: tenant.customer_id })
    await picture(page, 'try')
    const kept = await page.evaluate<string>('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])')
    expect(kept).not.toContain(token)
    await page.context().close()
    expect(strange).toEqual([])
  })
})

test('the reference of the events shows every event with an example', async () => {
  const { page, strange } = await visit('/docs/events')
  await page
    .getByRole('link', { name: /^Call, groupcall, recording events/ })
    .first()
    .click()
  const event = page.getByRole('button', { name: /^call\.answered/ }).last()
  if ((await event.getAttribute('aria-expanded')) !== 'true') await event.click()
  await page.getByText('"call.answered"').first().waitFor()
  await picture(page, 'events')
  await page.context().close()
  expect(strange).toEqual([])
})

const looks: Readonly<Record<string, Look>> = {
  desk: { scheme: 'light', width: 1280 },
  'desk-dark': { scheme: 'dark', width: 1280 },
  phone: { scheme: 'light', width: 390 },
}

describe.each([
  { path: '/docs', names: ['desk', 'desk-dark', 'phone'] },
  // with an operation open
  { path: '/docs#tag/calls/POST/v1.0/calls', names: ['desk'] },
  { path: '/docs/events', names: ['desk', 'desk-dark', 'phone'] },
])('$path', ({ path, names }) => {
  test.each(names)('is readable, by screen readers too: %s', async name => {
    const { page, strange } = await visit(path, looks[name])
    await page.getByRole('heading', { level: 1 }).first().waitFor()
    const wide = await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')
    expect(wide).toBeLessThanOrEqual(0)
    await picture(page, `${path.slice(1).replace(/\W+/g, '-')}-${name}`)
    await page.evaluate(axe)
    const { violations } = await page.evaluate<Found>("axe.run(document, { resultTypes: ['violations'] })")
    const found = violations
      .filter(({ impact }) => impact === 'critical' || impact === 'serious')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`))
    expect(found).toEqual([])
    await page.context().close()
    expect(strange).toEqual([])
  })
})

interface Found {
  violations: { id: string; impact: string; nodes: { html: string }[] }[]
}

test('llms.txt is there, and the page says what it may load', async () => {
  const text = await fixture.request('GET', '/llms.txt')
  expect(text.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(text.text).toContain('`POST /v1.0/calls` (`client.calls.create`)')
  const page = await fixture.request('GET', '/docs')
  expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self';.* connect-src 'self'/)
})

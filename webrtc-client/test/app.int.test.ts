import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Gateway } from './gateway.ts'
import { SipEdge } from './sip-edge.ts'

// Two real browsers, real SIP over WebSocket, real SRTP between them; only the platform is left out.

let edge: SipEdge
let gateway: Gateway
let browser: Browser
let ada: Page
let alan: Page
let contexts: BrowserContext[] = []

beforeAll(async () => {
  const executablePath = process.env.VOIPBIN_CHROMIUM
  if (!executablePath) throw new Error('VOIPBIN_CHROMIUM names the browser of these tests; `npm test` sets it')
  await build({ configFile: fileURLToPath(new URL('../vite.config.ts', import.meta.url)), logLevel: 'error' })
  edge = await SipEdge.start({ 1001: 'right-1001', 1002: 'right-1002' })
  const extension = (number: string, name: string) => ({ id: `e${number}`, extension: number, name, username: number, domain: edge.domain })
  gateway = await Gateway.start({
    app_dir: fileURLToPath(new URL('../dist/app', import.meta.url)),
    sip: { ws_url: edge.url, wss_url: '', domain: edge.domain },
    users: { demo: 'right' },
    extensions: [extension('1001', 'Ada Lovelace'), extension('1002', 'Alan Turing')],
    calls: Array.from({ length: 30 }, (_, index) => callRow(`c${index}`, '1002', `10${String(index).padStart(2, '0')}`)),
  })
  browser = await chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--headless=new',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      '--allow-loopback-in-peer-connection',
      '--autoplay-policy=no-user-gesture-required',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
    ],
  })
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([gateway?.close(), edge?.close()])
})

beforeEach(async () => {
  gateway.fail.clear()
  gateway.passwords.clear()
  ada = await open('#username=demo&password=right&extension=1001&extension_password=right-1001')
  alan = await open('#username=demo&password=right&extension=1002&extension_password=right-1002')
})

afterEach(async () => {
  await Promise.all(contexts.map(context => context.close()))
  contexts = []
})

async function open(hash: string): Promise<Page> {
  const context = await browser.newContext({ permissions: ['microphone'], viewport: { width: 1280, height: 800 }, locale: 'en-GB' })
  context.setDefaultTimeout(60_000)
  contexts.push(context)
  const page = await context.newPage()
  page.on('pageerror', error => {
    throw error
  })
  await page.goto(gateway.softphone_url + hash)
  return page
}

async function ready(...pages: Page[]): Promise<void> {
  for (const page of pages) {
    await page.getByTestId('sign-in').click()
    await page.locator('[data-testid="registration"][data-state="registered"]').waitFor()
  }
}

const state = (page: Page, name: string) => page.locator(`[data-testid="in-call"][data-state="${name}"]`).waitFor()

/** What axe finds (WCAG 2.2 AA and best practices), in words. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const violations = await page.evaluate(async () => (await (window as unknown as { axe: typeof axe }).axe.run(document)).violations)
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, any }) => `${id}: ${help}: ${html.slice(0, 160)} ${any[0]?.message ?? ''}`),
  )
}

function callRow(id: string, from: string, to: string, other: object = {}) {
  const address = (target: string) => ({ type: 'extension', target, target_name: '', name: '', detail: '' })
  const tm = '2026-01-20T12:00:00.000000Z'
  const times = { tm_create: tm, tm_answer: tm, tm_hangup: tm, duration: 61 }
  return { id, source: address(from), destination: address(to), status: 'completed', hangup_cause: 'normal_clearing', ...times, ...other }
}

test('one click signs in, registers and leaves no password in the address', async () => {
  await ready(ada)
  expect(new URL(ada.url()).hash).toBe('')
  expect(edge.registered).toContain('1001')
  expect(await ada.getByTestId('registration').textContent()).toContain('Ready')
})

test('a call between two browsers: ring, answer, encrypted audio, tones, hold, mute, hang up', async () => {
  await ready(ada, alan)
  await ada.getByTestId('dial-input').fill('1002')
  await ada.getByTestId('dial-input').press('Enter')
  const card = alan.getByRole('alertdialog', { name: 'Ada Lovelace' })
  await card.waitFor()
  await expect.poll(() => alan.title()).toBe('Ada Lovelace is calling')
  await state(ada, 'ringing')
  await expect.poll(() => alan.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('answer')
  await alan.keyboard.press('Enter')
  await Promise.all([state(ada, 'active'), state(alan, 'active')])
  await expect.poll(() => ada.getByTestId('cipher').textContent()).toMatch(/AES/)
  await expect.poll(() => ada.getByTestId('quality').getAttribute('data-level')).toMatch(/excellent|good/)

  await ada.getByTestId('keypad').click()
  await ada.getByRole('group', { name: 'Tones' }).getByTestId('key-5').click()
  await expect.poll(() => ada.getByLabel('Tones sent').textContent()).toBe('5')
  await ada.getByTestId('keypad').click()
  await ada.getByTestId('mute').click()
  await ada.locator('[data-testid="mute"][aria-pressed="true"]').waitFor()
  await ada.getByTestId('hold').click()
  await state(ada, 'held')
  await alan.getByText('You are on hold').waitFor()
  await ada.getByTestId('hold').click()
  await state(ada, 'active')

  await alan.keyboard.press('x')
  await ada.getByTestId('last-call').getByText('Call ended').waitFor()
  await alan.getByTestId('last-call').waitFor()
})

test('by keyboard alone: sign in, dial by typing, tones, mute, hold, hang up, call back from the history', async () => {
  await ready(alan)
  await ada.getByTestId('password').press('Enter')
  await ada.locator('[data-testid="registration"][data-state="registered"]').waitFor()
  await ada.keyboard.type('100')
  await ada.keyboard.type('2')
  await expect.poll(() => ada.getByTestId('dial-input').inputValue()).toBe('1002')
  await ada.keyboard.press('Enter')
  await alan.getByTestId('incoming').waitFor()
  // Somebody who has just pressed a key keeps the focus; the card is read out and has keys of its own.
  await expect.poll(() => ada.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Phone')
  await expect.poll(() => alan.locator('[role="alert"]').allTextContents()).toContain('Incoming call from Ada Lovelace')
  await alan.keyboard.press('a')
  await Promise.all([state(ada, 'active'), state(alan, 'active')])
  await expect.poll(() => ada.title()).toBe('In call with 1002')
  await ada.getByTestId('keypad').press('Enter')
  await ada.keyboard.type('123456789012345678901234567890')
  await expect.poll(() => ada.getByLabel('Tones sent').textContent()).toBe('5678901234567890')
  await ada.keyboard.press('m')
  await ada.locator('[data-testid="mute"][aria-pressed="true"]').waitFor()
  await ada.keyboard.press('h')
  await state(ada, 'held')
  await ada.keyboard.press('h')
  await state(ada, 'active')
  await ada.keyboard.press('x')
  await alan.getByTestId('last-call').waitFor()
  await ada.getByRole('button', { name: 'Call 1002' }).first().press('Enter')
  await alan.getByTestId('incoming').waitFor()
  await alan.keyboard.press('d')
  await ada.getByTestId('last-call').waitFor()
})

test('a number from elsewhere can be pasted anywhere', async () => {
  await ready(ada)
  await ada.evaluate(() => {
    const clipboardData = new DataTransfer()
    clipboardData.setData('text/plain', ' +1 (555) 123-4567\nand more')
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }))
  })
  await expect.poll(() => ada.getByTestId('dial-input').inputValue()).toBe('+1 (555) 123-4567')
})

test('a caller can be answered while the settings are open, and waits while they are used', async () => {
  await ready(ada, alan)
  await ada.getByTestId('open-settings').click()
  await alan.getByTestId('dial-input').fill('1001')
  await alan.getByTestId('call').click()
  await ada.getByTestId('answer').click()
  await state(ada, 'active')
  expect(await ada.getByRole('dialog', { name: 'Settings' }).isVisible()).toBe(true)
})

test('without a microphone the caller goes on ringing and can be answered when there is one', async () => {
  await ready(ada, alan)
  await ada.evaluate(() => {
    const { mediaDevices } = navigator
    const original = mediaDevices.getUserMedia.bind(mediaDevices)
    mediaDevices.getUserMedia = constraints => {
      mediaDevices.getUserMedia = original
      return constraints ? Promise.reject(new DOMException('', 'NotAllowedError')) : original(constraints)
    }
  })
  await alan.getByTestId('dial-input').fill('1001')
  await alan.getByTestId('call').click()
  await ada.getByTestId('answer').click()
  await ada.getByTestId('phone-error').getByText('Allow it').waitFor()
  await ada.getByTestId('answer').click()
  await Promise.all([state(ada, 'active'), state(alan, 'active')])
})

test('an unplugged microphone is replaced in the call', async () => {
  await ada.evaluate(() => {
    const { mediaDevices } = navigator
    const original = mediaDevices.getUserMedia.bind(mediaDevices)
    mediaDevices.getUserMedia = async constraints => {
      const stream = await original(constraints)
      const [track] = stream.getAudioTracks()
      // What the browser does when the device goes.
      addEventListener('test-unplug', () => track?.stop() ?? track?.dispatchEvent(new Event('ended')), { once: true })
      return stream
    }
  })
  await ready(ada, alan)
  await ada.getByTestId('dial-input').fill('1002')
  await ada.getByTestId('call').click()
  await alan.getByTestId('answer').click()
  await state(ada, 'active')
  await ada.evaluate(() => {
    dispatchEvent(new Event('test-unplug'))
  })
  await ada.getByTestId('phone-error').getByText('is used now').waitFor()
  await state(ada, 'active')
})

test('a session that ends does not end the call; afterwards the password alone leads back to the phone', async () => {
  await ready(ada, alan)
  await ada.getByTestId('dial-input').fill('1002')
  await ada.getByTestId('call').click()
  await alan.getByTestId('answer').click()
  await state(ada, 'active')
  gateway.endSessions()
  await ada.getByRole('button', { name: 'Refresh' }).click()
  await ada.getByText('The call goes on').waitFor()
  await state(ada, 'active')
  await ada.getByTestId('hangup').click()
  await ada.getByText('Your session has ended').waitFor()
  expect(await ada.getByTestId('username').inputValue()).toBe('demo')
  await ada.getByTestId('password').fill('right')
  await ready(ada)
})

test('a refused softphone password can be entered again', async () => {
  const other = await open('#username=demo&password=right&extension=1001&extension_password=old')
  await other.getByTestId('sign-in').click()
  await other.getByRole('button', { name: 'Enter another' }).click()
  await other.getByTestId('extension-password').fill('right-1001')
  await other.getByTestId('connect').click()
  await other.locator('[data-testid="registration"][data-state="registered"]').waitFor()
})

test('a declined call is shown as busy, an unknown number as unknown', async () => {
  await ready(ada, alan)
  await ada.getByTestId('dial-input').fill('1002')
  await ada.getByTestId('call').click()
  await alan.getByTestId('decline').click()
  await ada.getByTestId('last-call').getByText('Busy').waitFor()
  await ada.getByTestId('dial-input').fill('7777')
  await ada.getByTestId('call').click()
  await ada.getByTestId('last-call').getByText('This number does not exist').waitFor()
})

test('a call survives the loss of the connection and can be hung up afterwards', async () => {
  await ready(ada, alan)
  await ada.getByTestId('dial-input').fill('1002')
  await ada.getByTestId('call').click()
  await alan.getByTestId('answer').click()
  await Promise.all([state(ada, 'active'), state(alan, 'active')])
  edge.dropAll()
  await ada.locator('[data-testid="registration"][data-state="reconnecting"]').waitFor()
  for (const page of [ada, alan]) await page.locator('[data-testid="registration"][data-state="registered"]').waitFor()
  await Promise.all([state(ada, 'active'), state(alan, 'active')])
  await ada.getByTestId('hangup').click()
  await alan.getByTestId('last-call').waitFor()
})

test('closing the page takes the registration back at once', async () => {
  await ready(ada)
  await ada.goto('about:blank')
  await expect.poll(() => edge.registered).not.toContain('1001')
})

test('history pages on, events arrive, can be filtered and held', async () => {
  await ready(ada)
  const rows = ada.getByTestId('history').locator('li')
  await expect.poll(() => rows.count()).toBe(25)
  await ada.getByTestId('load-older').click()
  await expect.poll(() => rows.count()).toBe(30)
  await ada.locator('[data-testid="realtime"][data-state="open"]').waitFor()
  await expect.poll(() => gateway.subscribed.flat()).toContain(`customer_id:${gateway.customer_id}:call`)
  const list = ada.getByTestId('events').locator('li')
  gateway.emit('call.created', callRow('c-new', '1002', '1001'))
  gateway.emit('recording.started', { id: 'r1' })
  await expect.poll(() => list.count()).toBe(2)
  await expect.poll(() => rows.count()).toBe(31)
  await ada.getByTestId('event-filter').fill('recording')
  await expect.poll(() => list.count()).toBe(1)
  await ada.getByTestId('event-filter').fill('')
  await ada.getByTestId('pause-events').click()
  gateway.emit('call.hungup', callRow('c-new', '1002', '1001'))
  await ada.getByText('Paused · 1 new').waitFor()
  await ada.getByTestId('pause-events').click()
  await expect.poll(() => list.count()).toBe(3)
  const unanswered = { tm_answer: null, duration: 0 }
  gateway.emit('call.hungup', callRow('c-declined', '1002', '1001', { ...unanswered, hangup_cause: 'user_busy' }))
  await expect.poll(() => rows.first().textContent()).toContain('Declined')
  gateway.emit('call.hungup', callRow('c-missed', '1002', '1001', { ...unanswered, hangup_cause: 'no_answer' }))
  await expect.poll(() => rows.first().textContent()).toContain('Missed')
})

test('a wrong password says so; a new softphone password is made on request', async () => {
  await ada.getByTestId('password').fill('wrong')
  await ada.getByTestId('sign-in').click()
  await ada.getByRole('alert').getByText('User name or password is wrong.').waitFor()
  const other = await open('#username=demo&password=right')
  await other.getByTestId('sign-in').click()
  await other.getByTestId('reset-password').click()
  await other.getByTestId('registration').waitFor()
  expect(gateway.passwords.get('e1001')).toMatch(/^\w{24}$/)
})

test('reload keeps the session, signing out ends it', async () => {
  await ready(ada)
  await ada.reload()
  await ada.locator('[data-testid="registration"][data-state="registered"]').waitFor()
  await ada.getByTestId('open-settings').click()
  await ada.getByTestId('sign-out').click()
  await ada.getByTestId('sign-in').waitFor()
  await expect.poll(() => edge.registered).not.toContain('1001')
  expect(gateway.requests).toContain('POST /auth/logout')
  expect(await ada.evaluate(() => sessionStorage.length)).toBe(0)
})

test('the server away: the list says so and comes back', async () => {
  gateway.fail.set('/v1.0/calls', 500)
  await ready(ada)
  await ada.getByRole('alert').getByText('Try again in a moment.').waitFor()
  gateway.fail.clear()
  await ada.getByRole('button', { name: 'Try again' }).click()
  await expect.poll(() => ada.getByTestId('history').locator('li').count()).toBe(25)
})

test.each(['light', 'dark'] as const)('everything has a name and enough contrast in %s', async colorScheme => {
  await ada.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
  expect(await faults(ada)).toEqual([])
  await ready(ada, alan)
  await ada.locator('[data-testid="realtime"][data-state="open"]').waitFor()
  for (const type of ['call.created', 'recording.started', 'agent.login', 'flow.created'])
    gateway.emit(type, callRow(`c-${colorScheme}`, '1002', '1001'))
  await expect.poll(() => ada.getByTestId('events').locator('li').count()).toBe(4)
  await ada.getByTestId('events').locator('summary').first().click()
  expect(await faults(ada)).toEqual([])
  await alan.getByTestId('dial-input').fill('1001')
  await alan.getByTestId('call').click()
  await ada.getByTestId('incoming').waitFor()
  expect(await faults(ada)).toEqual([])
  await ada.keyboard.press('a')
  await state(ada, 'active')
  await expect.poll(() => ada.getByTestId('cipher').textContent()).toMatch(/AES/)
  expect(await faults(ada)).toEqual([])
  await ada.keyboard.press('?')
  await ada.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
  expect(await faults(ada)).toEqual([])
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { type Samples, sine, toneLevel, writeWav } from '../../voip/testing/audio.ts'
import { until } from '../../voip/testing/wait.ts'
import { callFlags } from './browser-flags.ts'
import { installProbe, type PageProbe } from './browser-probe.ts'
import { type Account, extensionOf, type State } from './platform.ts'

/** What a browser's connection says about its keys and its audio. */
export interface ConnectionFacts {
  dtls_state: string
  srtp_cipher: string
  tls_version: string
  codec: string
  packets_in: number
  packets_out: number
}

export interface PhoneOptions {
  state: State
  account: Account
  extension: string
  /** Tone that its microphone hears, in Hz. */
  tone_hz: number
  color_scheme?: 'light' | 'dark'
  viewport?: { width: number; height: number }
  /** Pixels of the screen for each of the page. */
  scale?: number
}

const quiet = [
  ...callFlags,
  '--autoplay-policy=no-user-gesture-required',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/** The softphone app in a real browser, signed in as an extension, with a tone for a microphone. */
export class BrowserPhone {
  readonly page: Page
  readonly #browser: Browser
  readonly #folder: string

  private constructor(browser: Browser, page: Page, folder: string) {
    this.#browser = browser
    this.page = page
    this.#folder = folder
  }

  static async open(options: PhoneOptions): Promise<BrowserPhone> {
    const { state, account, tone_hz, color_scheme = 'light', viewport = { width: 1280, height: 800 }, scale = 1 } = options
    const executablePath = process.env.VOIPBIN_CHROMIUM
    if (!executablePath) throw new Error('VOIPBIN_CHROMIUM names the browser of these tests; `npm test` sets it')
    const folder = mkdtempSync(join(tmpdir(), 'voipbin-phone-'))
    const microphone = join(folder, 'microphone.wav')
    writeWav(microphone, sine(tone_hz, 10_000, 0.3, 48_000), 48_000)
    const browser = await chromium.launch({ executablePath, args: [...quiet, `--use-file-for-fake-audio-capture=${microphone}`] })
    const context = await browser.newContext({
      permissions: ['microphone'],
      viewport,
      deviceScaleFactor: scale,
      colorScheme: color_scheme,
      locale: 'en-GB',
    })
    context.setDefaultTimeout(60_000)
    const page = await context.newPage()
    await page.addInitScript(installProbe)
    const phone = new BrowserPhone(browser, page, folder)
    await page.goto(`${state.softphone_url}#${signInHash(account, options.extension)}`)
    return phone
  }

  /** Signs in with one click and waits until calls can come. */
  async ready(): Promise<this> {
    await this.page.getByTestId('sign-in').click()
    await this.page.locator('[data-testid="registration"][data-state="registered"]').waitFor()
    await this.page.locator('[data-testid="realtime"][data-state="open"]').waitFor({ state: 'attached' })
    return this
  }

  async inState(name: 'connecting' | 'ringing' | 'active' | 'held'): Promise<void> {
    await this.page.locator(`[data-testid="in-call"][data-state="${name}"]`).waitFor()
  }

  async dial(number: string): Promise<void> {
    await this.page.getByTestId('dial-input').fill(number)
    await this.page.getByTestId('call').click()
  }

  /** Waits for the incoming-call card and answers it. */
  async answer(): Promise<void> {
    await this.page.getByTestId('incoming').waitFor()
    await this.page.getByTestId('answer').click()
    await this.inState('active')
  }

  async decline(): Promise<void> {
    await this.page.getByTestId('incoming').waitFor()
    await this.page.getByTestId('decline').click()
  }

  async hangup(): Promise<void> {
    await this.page.getByTestId('hangup').click()
    await this.page.getByTestId('last-call').waitFor()
  }

  /** The next `window_ms` of what the page hears, as 8 kHz samples. */
  async listen(window_ms = 600): Promise<Samples> {
    const wanted = window_ms * 8
    const begin = await this.#total()
    await until('sound in the browser', async () => (await this.#total()) >= begin + wanted)
    const samples = await this.page.evaluate(count => voipbinProbe.samples.slice(-count), wanted)
    return Float64Array.from(samples)
  }

  /** Everything that the page has heard in the last minute. */
  async heardSoFar(): Promise<Samples> {
    return Float64Array.from(await this.page.evaluate(() => voipbinProbe.samples))
  }

  /** Waits until a tone is heard (or gone) and gives its level in dB. */
  async tone(hz: number, fits: (db: number) => boolean, timeout_ms = 60_000): Promise<number> {
    let last = Number.NaN
    const found = await until(
      `${hz} Hz in the browser`,
      async () => {
        last = toneLevel(await this.listen(), hz)
        return fits(last) && { db: last }
      },
      timeout_ms,
    ).catch((error: unknown) => {
      throw new Error(`${hz} Hz in the browser is at ${last.toFixed(1)} dB`, { cause: error })
    })
    return found.db
  }

  /** getStats() of the newest connection. */
  facts(): Promise<ConnectionFacts> {
    return this.page.evaluate(async () => {
      const connection = voipbinProbe.connections.at(-1)
      const found = { dtls_state: '', srtp_cipher: '', tls_version: '', codec: '', packets_in: 0, packets_out: 0 }
      if (!connection) return found
      const report = await connection.getStats()
      for (const stats of report.values()) {
        if (stats.type === 'transport') {
          found.dtls_state = stats.dtlsState
          found.srtp_cipher = stats.srtpCipher ?? ''
          found.tls_version = stats.tlsVersion ?? ''
        }
        if (stats.type === 'inbound-rtp') found.packets_in = stats.packetsReceived
        if (stats.type === 'outbound-rtp') found.packets_out = stats.packetsSent
        if (stats.type === 'codec') found.codec = stats.mimeType
      }
      return found
    })
  }

  async close(): Promise<void> {
    await this.#browser.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #total(): Promise<number> {
    return this.page.evaluate(() => voipbinProbe.total)
  }
}

/** Inside the page. */
declare const voipbinProbe: PageProbe

/** Sign-in values the way `npm start` prints them, so that one click is enough. */
function signInHash(account: Account, extension: string): string {
  const { password } = extensionOf(account, extension)
  return new URLSearchParams({ username: account.username, password: account.password, extension, extension_password: password }).toString()
}

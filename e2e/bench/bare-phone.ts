import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { end, inroot } from '../../voip/testing/inroot.ts'
import { portBlock } from '../../voip/testing/ports.ts'
import { until } from '../../voip/testing/wait.ts'
import { callFlags } from '../support/browser-flags.ts'
import { setting } from './measure.ts'

/** A Kamailio that does nothing but pass SIP from WebSockets on to one address. */
export async function startBareEdge(callee: string): Promise<{ ws_url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'voipbin-bare-edge-'))
  mkdirSync(join(folder, 'run'))
  const ports = await portBlock(2)
  const [ws, udp] = [ports.next(), ports.next()]
  writeFileSync(join(folder, 'kamailio.cfg'), configuration({ ws, udp, callee }))
  const command = ['kamailio', '-f', '/srv/kamailio.cfg', '-DD', '-E', '-m', '64', '-M', '8', '-Y', '/srv/run', '-w', '/srv/run']
  const child = inroot(command, { inst: folder, log: join(folder, 'kamailio.log') })
  await until(`the bare edge (${folder}/kamailio.log)`, async () => (await fetch(`http://127.0.0.1:${ws}/`)).status === 404)
  return {
    ws_url: `ws://127.0.0.1:${ws}/`,
    stop: async () => {
      await end(child)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const configuration = ({ ws, udp, callee }: { ws: number; udp: number; callee: string }): string => `#!KAMAILIO
debug=1
log_stderror=yes
children=2
tcp_children=2
listen=tcp:127.0.0.1:${ws}
listen=udp:127.0.0.1:${udp}
tcp_accept_no_cl=yes
${['tm', 'sl', 'rr', 'pv', 'siputils', 'nathelper', 'textops', 'xhttp', 'websocket'].map(name => `loadmodule "${name}.so"`).join('\n')}
request_route {
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) { if (loose_route()) { handle_ruri_alias(); t_relay(); } else if (is_method("ACK") && t_check_trans()) { t_relay(); } exit; }
  if (!is_method("INVITE")) { sl_send_reply("200", "OK"); exit; }
  force_rport();
  add_contact_alias();
  record_route();
  $du = "sip:${callee}";
  t_relay();
}
event_route[xhttp:request] {
  if ($hdr(Upgrade) =~ "websocket") { ws_handle_handshake(); exit; }
  xhttp_reply("404", "Not Found", "text/plain", "");
}
`

/** What the page offers to the test. */
declare const bench: { call(): void; end(): Promise<void>; clicked: number }

const page = (ws_url: string): string => `
import JsSIP from 'jssip'
const ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface('${ws_url}')], uri: 'sip:bench@bench.invalid', register: false, session_timers: false })
let session
let ended = Promise.resolve()
window.bench = {
  clicked: 0,
  call() {
    session = ua.call('sip:callee@bench.invalid', { mediaConstraints: { audio: true, video: false } })
    ended = new Promise(resolve => { session.on('failed', resolve); session.on('ended', resolve) })
  },
  end() { session.terminate(); return ended },
}
document.querySelector('button').addEventListener('click', event => { window.bench.clicked = performance.timeOrigin + event.timeStamp; window.bench.call() })
ua.on('connected', () => document.body.setAttribute('data-state', 'open'))
ua.start()
`

/** A page with a button and JsSIP as it comes. */
export class BarePhone {
  readonly #browser: Browser
  readonly #page: Page
  readonly #server: Server
  readonly #folder: string

  private constructor(parts: { browser: Browser; page: Page; server: Server; folder: string }) {
    this.#browser = parts.browser
    this.#page = parts.page
    this.#server = parts.server
    this.#folder = parts.folder
  }

  static async open(ws_url: string): Promise<BarePhone> {
    // Below this folder, so that the bundler finds the library; `dist` is nobody's source.
    mkdirSync(join(import.meta.dirname, 'dist'), { recursive: true })
    const folder = mkdtempSync(join(import.meta.dirname, 'dist/page-'))
    const entry = join(folder, 'page.js')
    writeFileSync(entry, page(ws_url))
    await build({
      configFile: false,
      logLevel: 'error',
      build: { lib: { entry, formats: ['es'], fileName: 'bundle' }, outDir: join(folder, 'out'), minify: false },
    })
    const script = join(folder, 'out/bundle.js')
    const html = `<!doctype html><button>call</button><script type="module">${readFileSync(script, 'utf8').replaceAll('</script', '<\\/script')}</script>`
    const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(html))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const browser = await chromium.launch({ executablePath: setting('VOIPBIN_CHROMIUM'), args: [...callFlags] })
    const context = await browser.newContext({ permissions: ['microphone'] })
    const opened = await context.newPage()
    await opened.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await opened.locator('body[data-state="open"]').waitFor()
    return new BarePhone({ browser, page: opened, server, folder })
  }

  async click(): Promise<number> {
    await this.#page.locator('button').click()
    return this.#page.evaluate(() => bench.clicked)
  }

  hangup(): Promise<void> {
    return this.#page.evaluate(() => bench.end())
  }

  async close(): Promise<void> {
    await this.#browser.close()
    await new Promise(resolve => this.#server.close(resolve))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

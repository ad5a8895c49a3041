import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { chromium } from 'playwright-core'
import { build } from 'vite'
import { until } from '../../voip/testing/wait.ts'
import { callFlags } from './browser-flags.ts'

/** The page goes on where the program ends: so it is known to have. */
const html = `<!doctype html><link rel="icon" href="data:,"><script type="module">await import('./program.js'); document.title = 'over'</script>`

/** Runs a module in a page, bundled as who builds a page would, and gives what it has logged when its last line has run. Rejects with what went wrong in it. */
export async function runInPage(file: string, timeout_ms: number): Promise<string> {
  const executablePath = process.env.VOIPBIN_CHROMIUM
  if (!executablePath) throw new Error('VOIPBIN_CHROMIUM names the browser of these tests; `npm test` sets it')
  const script = await bundle(file)
  const server = createServer(({ url }, answer) => {
    const [type, body] = url === '/program.js' ? ['text/javascript', script] : ['text/html', html]
    answer.writeHead(200, { 'content-type': type }).end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const browser = await chromium.launch({ executablePath, args: [...callFlags] })
  try {
    const page = await (await browser.newContext({ permissions: ['microphone'] })).newPage()
    const said: string[] = []
    const wrong: Error[] = []
    page.on('console', message => said.push(message.text()))
    page.on('pageerror', error => wrong.push(error))
    // by this name browsers give a page a microphone
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`)
    await until('the end of the program', async () => wrong.length > 0 || (await page.title()) === 'over', timeout_ms).catch(error => {
      throw new Error(`the program has not ended; it said: ${said}`, { cause: error })
    })
    if (wrong[0]) throw new Error(`${wrong[0].message}; before, the program said: ${said}`, { cause: wrong[0] })
    return said.map(line => `${line}\n`).join('')
  } finally {
    await browser.close()
    server.close()
  }
}

async function bundle(file: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'voipbin-page-'))
  const lib = { entry: file, formats: ['es' as const], fileName: 'program' }
  try {
    await build({
      configFile: false,
      root: dirname(file),
      logLevel: 'warn',
      build: { lib, outDir: folder, emptyOutDir: false, target: 'esnext' },
    })
    return readFileSync(join(folder, 'program.js'), 'utf8')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

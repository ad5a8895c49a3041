import { readFileSync } from 'node:fs'
import { referencePages } from './reference.ts'
import { type Pages, readFolder, type StaticFile, staticFile } from './static-files.ts'

export interface PageOptions {
  /** Where clients find the gateway; put into the documents' `servers`. Empty keeps what the contract says. */
  public_urls: readonly string[]
  softphone_dir?: string | undefined
  /** JSON text for the softphone. */
  softphone_config: string
}

const generated = (name: string): string => readFileSync(new URL(import.meta.resolve(`@voipbin/generated/${name}`)), 'utf8')

/** The generated OpenAPI document, with this installation's addresses. */
function openapi(public_urls: readonly string[]): string {
  const text = generated('openapi.json')
  const urls = public_urls.map(url => url.replace(/\/$/, ''))
  if (urls[0] === undefined) return text
  // The code samples show this installation, too.
  const document = JSON.parse(text.replaceAll('http://localhost:8080', urls[0])) as { servers?: unknown }
  document.servers = urls.map(url => ({ url }))
  return JSON.stringify(document)
}

/** The generated AsyncAPI document, with this installation's socket. */
function asyncapi([first]: readonly string[]): string {
  const text = generated('asyncapi.json')
  if (first === undefined) return text
  const { host, protocol } = new URL(first)
  const document = JSON.parse(text) as { servers?: Record<string, object> }
  document.servers = { websocket: { ...document.servers?.websocket, host, protocol: protocol === 'https:' ? 'wss' : 'ws' } }
  return JSON.stringify(document)
}

/** Pages run their own scripts only. The softphone connects to the SIP edge and to whatever server it is told, so connections are open. */
const csp = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "media-src 'self' data: blob:",
  "connect-src 'self' ws: wss: http: https:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Everything the gateway serves that is the same for everybody: exact path -> file. */
export function pages({ public_urls, softphone_dir, softphone_config }: PageOptions): Pages {
  const files = new Map<string, StaticFile | (() => StaticFile)>([
    ...referencePages(),
    ['/', staticFile(home(softphone_dir !== undefined), 'text/html; charset=utf-8', { csp })],
    ['/openapi.json', staticFile(openapi(public_urls), 'application/json')],
    ['/asyncapi.json', staticFile(asyncapi(public_urls), 'application/json')],
    ['/llms.txt', staticFile(generated('llms.txt'), 'text/plain; charset=utf-8')],
  ])
  if (softphone_dir === undefined) return files
  for (const [path, file] of readFolder(softphone_dir)) files.set(`/softphone/${path}`, path.endsWith('.html') ? { ...file, csp } : file)
  const index = files.get('/softphone/index.html')
  if (index) files.set('/softphone/', index).set('/softphone', index)
  files.set('/softphone/config.json', staticFile(softphone_config, 'application/json'))
  return files
}

const home = (softphone: boolean): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>VoIPBIN</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 40rem; margin: 4rem auto; padding: 0 1rem }
  li { margin: .3rem 0 }
</style>
<h1>VoIPBIN</h1>
<p>This is the API gateway of a VoIPBIN installation.</p>
<ul>
${softphone ? '  <li><a href="/softphone/">Softphone</a></li>\n' : ''}  <li><a href="/docs">Reference of the REST API</a>, made of <a href="/openapi.json">openapi.json</a></li>
  <li><a href="/docs/events">Reference of the events</a> and of the WebSocket (<code>/ws</code>), made of <a href="/asyncapi.json">asyncapi.json</a></li>
  <li><a href="/llms.txt">llms.txt</a>: all of it on one page, for programs that write programs</li>
  <li><a href="/health">/health</a>, <a href="/ready">/ready</a></li>
</ul>
<p>First steps: <code>POST /auth/login</code> for a token, then <code>GET /v1.0/me</code> with <code>Authorization: Bearer …</code>.</p>
</html>
`

import { readFileSync } from 'node:fs'
import { readFolder, type StaticFile, staticFile } from './static-files.ts'

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
  if (public_urls.length === 0) return text
  const document = JSON.parse(text) as { servers?: unknown }
  document.servers = public_urls.map(url => ({ url: url.replace(/\/$/, '') }))
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
export function pages({ public_urls, softphone_dir, softphone_config }: PageOptions): Map<string, StaticFile> {
  const files = new Map<string, StaticFile>([
    ['/', staticFile(home(softphone_dir !== undefined), 'text/html; charset=utf-8', { csp })],
    ['/openapi.json', staticFile(openapi(public_urls), 'application/json')],
    ['/asyncapi.json', staticFile(generated('asyncapi.json'), 'application/json')],
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
${softphone ? '  <li><a href="/softphone/">Softphone</a></li>\n' : ''}  <li><a href="/openapi.json">openapi.json</a>: every REST operation</li>
  <li><a href="/asyncapi.json">asyncapi.json</a>: events and WebSocket frames (<code>/ws</code>)</li>
  <li><a href="/health">/health</a>, <a href="/ready">/ready</a></li>
</ul>
<p>First steps: <code>POST /auth/login</code> for a token, then <code>GET /v1.0/me</code> with <code>Authorization: Bearer …</code>.</p>
</html>
`

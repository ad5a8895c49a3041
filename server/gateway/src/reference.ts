import plugin from '@scalar/fastify-api-reference'
import { type StaticFile, staticFile } from './static-files.ts'

/**
 * The browser's side of Scalar's reference, as text. The package with the script alone brings 240 MB of packages along; the plugin for Fastify
 * carries the same script in itself, and gives it to whoever offers it routes.
 */
function scalarScript(): string {
  const found: string[] = []
  const routes: { url: string; handler(request: object, reply: object): unknown }[] = []
  const host = { route: (row: (typeof routes)[number]) => void routes.push(row), hasPlugin: () => false, initialConfig: {}, log: console }
  plugin(host as never, { routePrefix: '/docs', configuration: { url: '/openapi.json' } }, () => undefined)
  const reply = { header: () => reply, send: (text: string) => void found.push(text) }
  for (const { url, handler } of routes) if (url.endsWith('.js')) handler({}, reply)
  const [script] = found
  if (!script) throw new Error('@scalar/fastify-api-reference offers no script any more')
  return script
}

/** Nothing from anywhere else: no fonts, no counters, no proxy. The key that is typed in stays in the memory of the page. */
const csp = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

interface Page {
  path: string
  title: string
  description: string
  document: string
  other: { path: string; title: string }
}
const rest = { path: '/docs', title: 'REST' }
const events = { path: '/docs/events', title: 'Events' }
const listed: readonly Page[] = [
  { ...rest, description: 'Every operation of the REST API: search, try, copy.', document: '/openapi.json', other: events },
  { ...events, description: 'Every event and every frame of the WebSocket.', document: '/asyncapi.json', other: rest },
]

const html = ({ path, title, description, document, other }: Page): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="description" content="${description}">
<title>${title} · VoIPBIN reference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/reference.css">
</head>
<body>
<header class="voipbin">
<a href="/"><strong>VoIPBIN</strong></a>
<nav aria-label="References">
${[rest, events].map(one => `<a href="${one.path}"${one.path === path ? ' aria-current="page"' : ''}>${one.title}</a>`).join('\n')}
</nav>
</header>
<div id="reference"></div>
<noscript><p>This page needs JavaScript. Without it, read <a href="${document}">${document}</a> or <a href="/llms.txt">llms.txt</a>, or see <a href="${other.path}">${other.title}</a>.</p></noscript>
<script src="/docs/scalar.js"></script>
<script src="/docs/reference.js" data-document="${document}"></script>
</body>
</html>
`

const boot = `// Starts the reference; every connection but to this gateway is off.
const { document: url } = document.currentScript.dataset
Scalar.createApiReference('#reference', {
  url,
  // Whatever name this page was found under, requests go there.
  ...(url === '/openapi.json' && { servers: [{ url: location.origin, description: 'This installation.' }] }),
  layout: 'modern',
  withDefaultFonts: false,
  telemetry: false,
  persistAuth: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  agent: { disabled: true },
  mcp: { disabled: true },
  defaultOpenAllTags: false,
  operationTitleSource: 'summary',
  authentication: { preferredSecurityScheme: 'token' },
  defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
  hiddenClients: true,
})

// What the library leaves without a name, or out of reach of the keyboard (WCAG 4.1.2, 2.5.3, 2.1.1).
const repairs = {
  'button.scalar-code-copy:not([aria-label])': button => button.setAttribute('aria-label', 'Copy'),
  'button.show-more[aria-label^="Show all"]': button => {
    button.setAttribute('aria-label', button.textContent.trim() + ': ' + button.getAttribute('aria-label'))
  },
  'ul.endpoints:not([tabindex])': list => {
    list.tabIndex = 0
  },
}
const repair = () => {
  for (const [selector, change] of Object.entries(repairs)) for (const element of document.querySelectorAll(selector)) change(element)
}
let planned = 0
const repairSoon = () => {
  planned ||= requestAnimationFrame(() => {
    planned = 0
    repair()
  })
}
new MutationObserver(repairSoon).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ['aria-label'] })
`

const css = `:root { color-scheme: light dark; --voipbin-bar: 44px }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif }
.voipbin { position: sticky; top: 0; z-index: 20; box-sizing: border-box; height: var(--voipbin-bar); display: flex; gap: 1.5rem; align-items: center;
  padding: 0 1.25rem; font: 15px/1 system-ui, sans-serif; color: CanvasText; background: Canvas; border-bottom: 1px solid color-mix(in srgb, CanvasText 15%, Canvas) }
.voipbin a { color: inherit; text-decoration: none; padding: .5rem 0 }
.voipbin nav { display: flex; gap: 1.25rem }
.voipbin nav a[aria-current] { box-shadow: 0 2px currentColor }
.voipbin a:focus-visible { outline: 2px solid Highlight; outline-offset: 3px }
.scalar-app { --scalar-custom-header-height: var(--voipbin-bar); --scalar-font: system-ui, sans-serif; --scalar-font-code: ui-monospace, monospace }
/* Some colours of the library are too pale to read (WCAG 1.4.3). */
body.light-mode, body.light-mode .scalar-app { color-scheme: light; --scalar-color-2: #4a4a4a; --scalar-color-3: #5f5f5f; --scalar-sidebar-color-2: #4a4a4a;
  --scalar-color-green: #04693f; --scalar-color-blue: #07518f; --scalar-color-red: #a5180c; --scalar-color-orange: #8a3a05; --scalar-color-purple: #5b2ea6 }
body.dark-mode, body.dark-mode .scalar-app { color-scheme: dark; --scalar-color-2: #b8b8b8; --scalar-color-3: #a6a6a6; --scalar-sidebar-color-2: #b8b8b8;
  --scalar-color-red: #ff9388 }
noscript p { max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
`

/** The reference for people: exact path -> file. The script is read when it is first asked for, and kept. */
export function referencePages(): Map<string, StaticFile | (() => StaticFile)> {
  let script: StaticFile | undefined
  const files = new Map<string, StaticFile | (() => StaticFile)>([
    ['/docs/reference.css', staticFile(css, 'text/css; charset=utf-8')],
    ['/docs/reference.js', staticFile(boot, 'text/javascript; charset=utf-8')],
    ['/docs/scalar.js', () => (script ??= staticFile(scalarScript(), 'text/javascript; charset=utf-8'))],
  ])
  for (const page of listed) {
    const file = staticFile(html(page), 'text/html; charset=utf-8', { csp })
    files.set(page.path, file).set(`${page.path}/`, file)
  }
  return files
}

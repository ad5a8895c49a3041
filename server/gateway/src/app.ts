import type { IncomingMessage, RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { OpenAPIHono } from '@hono/zod-openapi'
import { type ErrorDetail, type Logger, metrics } from '@voipbin/kernel'
import type { Context } from 'hono'
import { endConnection } from './body.ts'
import { asAnswer, fail, httpCode } from './errors.ts'
import { Exchange, requestIdOf } from './exchange.ts'
import { process, type Stages } from './pipeline.ts'
import type { Responder } from './respond.ts'
import type { Route } from './route.ts'
import { type Pages, sendFile } from './static-files.ts'

interface Env {
  Bindings: { incoming: IncomingMessage }
}

export interface AppOptions {
  routes: readonly Route[]
  stages: Stages
  responder: Responder
  /** Trusted proxies in front. */
  proxies: number
  /** Fixed pages and documents: exact path -> file. */
  files: Pages
  /** Answers `/health` and `/ready`: whether, and what to say. */
  probes: Readonly<Record<string, () => Promise<{ ok: boolean; body: object }>>>
  log: Logger
}

/** The HTTP side of the gateway: every generated route under one generic handler, documents, pages, probes, and errors for the rest. */
export function createApp(options: AppOptions): OpenAPIHono<Env> {
  const { routes, responder, files, probes } = options
  const app = new OpenAPIHono<Env>({ strict: true })
  for (const route of routes) mount(app, route, c => serve(c, route, options))

  const known = routeFinder(routes)
  app.notFound(c => {
    const { incoming } = c.env
    const request_id = requestIdOf(incoming)
    const headers = responder.headers(request_id, incoming.headers.origin)
    const reading = c.req.method === 'GET' || c.req.method === 'HEAD'
    const probe = probes[c.req.path]
    if (probe && reading) return answerProbe(probe, responder, headers)
    const file = files.get(c.req.path)
    if (file && reading) return sendFile(typeof file === 'function' ? file() : file, headers, incoming.headers)
    const methods = probe || file ? ['GET', 'HEAD', 'OPTIONS'] : known(c.req.path)
    if (methods.length > 0 && c.req.method === 'OPTIONS') return responder.options(methods, headers)
    const error = methods.length > 0 ? fail.methodNotAllowed(methods.join(', ')) : fail.pathNotFound(c.req.path)
    metrics.httpRequests.inc({ operation: 'none', method: knownMethod(c.req.method), status: httpCode(error) })
    return responder.error(error, request_id, refuseBody(incoming, headers))
  })
  app.onError((error, c) => {
    const request_id = requestIdOf(c.env.incoming)
    options.log.error('request failed outside the pipeline', { request_id, err: error })
    return responder.error(error, request_id, responder.headers(request_id, c.env.incoming.headers.origin))
  })
  return app
}

/**
 * Puts a route into the registry of @hono/zod-openapi and on the router, without that library's own validators: they validate asynchronously and
 * cost every request a third (docs/adr/0011). The pipeline validates by the same schemas.
 */
function mount(app: OpenAPIHono<Env>, { method, config }: Route, handler: (c: Context<Env>) => Promise<Response>): void {
  app.openAPIRegistry.registerPath(config)
  app.on(method, config.getRoutingPath(), handler)
}

/** Runs one request through the stages and counts it. */
async function serve(c: Context<Env>, route: Route, { stages, responder, proxies, log }: AppOptions): Promise<Response> {
  const exchange = new Exchange(c.env.incoming, route, c.req.param() as Record<string, string>, proxies)
  const headers = responder.headers(exchange.request_id, exchange.incoming.headers.origin)
  let status: number
  let response: Response
  try {
    const answer = await process(exchange, stages)
    if (answer instanceof Response) response = answer
    else
      response = await responder.text(
        answer.body,
        answer.status,
        Object.assign(headers, exchange.headers),
        exchange.header('accept-encoding'),
      )
    status = answer.status
  } catch (thrown) {
    const error = asAnswer(thrown)
    status = httpCode(error)
    if (status >= 500)
      log.error('request failed', { operation: route.operation, request_id: exchange.request_id, reason: error.reason, err: thrown })
    else
      log.info('request refused', {
        operation: route.operation,
        request_id: exchange.request_id,
        reason: error.reason,
        customer_id: exchange.identity?.customer_id,
      })
    response = responder.error(error, exchange.request_id, refuseBody(exchange.incoming, Object.assign(headers, exchange.headers)))
  }
  const method = route.method
  metrics.httpRequests.inc({ operation: route.operation, method, status })
  metrics.httpDuration.observe({ operation: route.operation, method }, (Date.now() - exchange.started) / 1_000)
  return response
}

/** An error may come before the body was read: then the connection ends with the answer, instead of reading on. */
function refuseBody(incoming: IncomingMessage, headers: Record<string, string>): Record<string, string> {
  if (incoming.complete || ((incoming.headers['content-length'] ?? '0') === '0' && incoming.headers['transfer-encoding'] === undefined))
    return headers
  headers.connection = 'close'
  endConnection(incoming)
  return headers
}

async function answerProbe(
  probe: () => Promise<{ ok: boolean; body: object }>,
  responder: Responder,
  headers: Record<string, string>,
): Promise<Response> {
  const { ok, body } = await probe()
  return responder.json(JSON.stringify(body), ok ? 200 : 503, headers)
}

const standard = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Whatever a client makes up must not become a metric of its own. */
const knownMethod = (method: string): string => (standard.has(method) ? method : 'other')

/** Finds which methods a path takes. Only asked when no route matched. */
function routeFinder(routes: readonly Route[]): (path: string) => string[] {
  const rows = routes.map(route => ({
    method: route.method,
    pattern: new RegExp(`^${route.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }))
  return path => {
    const methods = new Set(rows.filter(row => row.pattern.test(path)).map(row => row.method as string))
    if (methods.size === 0) return []
    if (methods.has('GET')) methods.add('HEAD')
    return [...methods.add('OPTIONS')].sort()
  }
}

/** The listener for Node's server. What the adapter cannot turn into a request gets the platform's error body, too. */
export function listenerOf(app: OpenAPIHono<Env>, responder: Responder): RequestListener {
  const refuse = (message: string, detail: ErrorDetail): Response => {
    const request_id = requestIdOf({ headers: {} } as IncomingMessage)
    return responder.error(fail.invalid(message, detail), request_id, responder.headers(request_id, undefined))
  }
  const listener = getRequestListener(
    (request, env) => {
      const { incoming } = env as Env['Bindings']
      const name = repeatedHeader(incoming.rawHeaders)
      if (name !== undefined)
        return refuse(`The header ${name} came more than once.`, { field: `/${name}`, rule: 'maxItems', expected: 'once' })
      return app.fetch(request, env as Env['Bindings'])
    },
    { errorHandler: () => refuse('The request line or the Host header is not valid.', { field: '', rule: 'http' }) },
  )
  return (incoming, outgoing) => {
    // A probe by HTTP/1.0 need not name a host (RFC 1945), and `*` is about the server, not about a path of it (RFC 9110, 9.3.7).
    if (incoming.httpVersion === '1.0') incoming.headers.host ??= 'localhost'
    if (incoming.url === '*' && incoming.method === 'OPTIONS') outgoing.writeHead(204, { allow: [...standard].join(', ') }).end()
    else void listener(incoming, outgoing)
  }
}

/** Headers of which Node drops all but the first, though whoever looked at the request before may have taken another. */
const single: ReadonlySet<string> = new Set(['host', 'authorization', 'content-type'])

function repeatedHeader(raw: readonly string[]): string | undefined {
  let seen = ''
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase()
    if (!single.has(name)) continue
    if (seen.includes(name)) return name
    seen += ` ${name}`
  }
  return undefined
}

import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { metricsText } from './metrics.ts'
import { redactText } from './redact.ts'

export interface HealthOptions {
  /** 0 takes a free one. */
  port: number
  /** A second listener for Prometheus; the same pages. */
  metrics_port?: number | undefined
  /** Default 127.0.0.1. */
  host?: string
  /** Dependencies without which this process cannot answer. */
  checks?: Readonly<Record<string, () => Promise<void>>>
  /** Dependencies it can do without (a cache): shown in `/ready`, never a reason for 503. */
  optional?: Readonly<Record<string, () => Promise<void>>>
  /** How long one check may take, in milliseconds. Default 2,000. */
  deadline_ms?: number
}

export interface Health extends AsyncDisposable {
  readonly port: number
  readonly metrics_port: number | undefined
  /** From now on `/ready` answers 503: the process is stopping and wants no new work. */
  drain(): void
  /** Safe to call twice. */
  close(): Promise<void>
}

/**
 * `/health`: 200 while the process runs, whatever its dependencies do. `/ready`: 200 or 503 with each check's outcome.
 * `/metrics`: Prometheus text.
 */
export async function serveHealth(options: HealthOptions): Promise<Health> {
  const { host = '127.0.0.1', checks = {}, optional = {}, deadline_ms = 2_000 } = options
  const started = Date.now()
  let draining = false

  const ready = async () => {
    const [needed, extra] = await Promise.all([runChecks(checks, deadline_ms), runChecks(optional, deadline_ms)])
    const failed = Object.keys(needed).filter(name => needed[name] !== 'ok')
    const status = draining ? 'stopping' : failed.length > 0 ? 'unready' : 'ready'
    return { code: status === 'ready' ? 200 : 503, body: { status, failed, checks: { ...needed, ...extra } } }
  }

  const answer = async (path: string, response: ServerResponse) => {
    if (path === '/health') return json(response, 200, { status: 'alive', uptime_s: Math.round((Date.now() - started) / 1000) })
    if (path === '/metrics') return response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(await metricsText())
    if (path !== '/ready') return json(response, 404, { error: 'ask for /health, /ready or /metrics' })
    const { code, body } = await ready()
    return json(response, code, body)
  }

  const open = async (port: number) => {
    const server = createServer((request, response) => {
      answer((request.url ?? '/').split('?')[0] ?? '/', response).catch(error => json(response, 500, { error: String(error) }))
    })
    server.listen(port, host)
    await once(server, 'listening')
    return server
  }

  const server = await open(options.port)
  const second = options.metrics_port === undefined ? undefined : await open(options.metrics_port)
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= Promise.all([server, second].map(closeServer)).then(() => undefined)
    return closing
  }
  return {
    port: portOf(server),
    metrics_port: second && portOf(second),
    drain: () => {
      draining = true
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

const portOf = (server: Server) => (server.address() as AddressInfo).port

async function closeServer(server: Server | undefined): Promise<void> {
  if (!server) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

function json(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body))
}

async function runChecks(checks: Readonly<Record<string, () => Promise<void>>>, deadline_ms: number): Promise<Record<string, string>> {
  const outcomes = Object.entries(checks).map(async ([name, check]) => [name, await outcomeOf(check, deadline_ms)] as const)
  return Object.fromEntries(await Promise.all(outcomes))
}

async function outcomeOf(check: () => Promise<void>, deadline_ms: number): Promise<string> {
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(() => resolve(`no answer within ${deadline_ms} ms`), deadline_ms)
  const outcome = check().then(
    () => 'ok',
    error => redactText(error instanceof Error ? error.message : String(error)) || 'failed',
  )
  try {
    return await Promise.race([outcome, late])
  } finally {
    clearTimeout(timer)
  }
}

import type { Logger } from '@voipbin/kernel'
import { AppError, type ErrorDetail, isAppError, metrics } from '@voipbin/kernel'
import { hasBody, readJson } from './body.ts'
import { credentialParameters } from './credentials.ts'
import { errorBody, fail, generalReasons, httpCode } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Gate } from './gate.ts'
import { type Answer, type IdempotencyStore, readIdempotencyKey } from './idempotency.ts'
import { firstForeign, firstMissing, type Owners } from './owners.ts'
import { bindPageToken, openPageToken } from './page-tokens.ts'
import type { Rpc } from './rpc.ts'

type Input = Record<string, unknown>
/** An operation that is not plain RPC: gets the checked input, returns what goes out, or a whole Response. */
export type Override = (exchange: Exchange, input: Input) => Promise<object | Response>

export interface Stages {
  gate: Gate
  owners: Owners
  idempotency: IdempotencyStore
  rpc: Rpc
  overrides: Readonly<Record<string, Override>>
  /** Resources of the platform itself, which anybody may name. */
  shared: ReadonlySet<string>
  log: Logger
}

/** The way of every request: who → may → how often → what → whose → do → whose came back → show. */
export async function process(exchange: Exchange, stages: Stages): Promise<Answer | Response> {
  const { route } = exchange
  await stages.gate.admit(exchange)
  const input = await readInput(exchange)
  if (exchange.identity) stages.gate.checkGrants(exchange.identity, input)
  const key = route.idempotent ? readIdempotencyKey(exchange.header('idempotency-key')) : undefined
  if (key === undefined) return perform(exchange, input, stages, undefined)
  return performOnce(exchange, input, stages, key)
}

/** Validates path, query and body together and makes the flat input of them. */
async function readInput(exchange: Exchange): Promise<Input> {
  const { route, incoming } = exchange
  const takesBody = route.method !== 'GET'
  if (!takesBody && hasBody(incoming))
    throw fail.invalid('This operation takes no body.', { field: '', rule: 'additionalProperties', expected: 'no body' })
  const body = takesBody ? await readJson(incoming) : undefined
  const query = readQuery(exchange)
  const checked = route.validate({ path: exchange.params, query, body })
  if (!checked.ok) throw fail.invalid('The request is not valid.', ...checked.details.map(detail => orRepeated(detail, query)))
  return openPageToken(exchange, checked.input)
}

type Query = Record<string, string | string[]>

/** A parameter of the wrong type may just have been given twice. */
const orRepeated = (detail: ErrorDetail, query: Query): ErrorDetail =>
  detail.rule === 'type' && Array.isArray(query[detail.field.slice(1)])
    ? { ...detail, rule: 'maxItems', expected: 'this parameter once' }
    : detail

function readQuery(exchange: Exchange): Query {
  const query: Query = {}
  const [, text] = exchange.incoming.url?.split('?', 2) ?? []
  if (text === undefined) return query
  if (text.includes('%')) checkEscapes(text)
  for (const name of new Set(exchange.query.keys())) {
    if (credentialParameters.has(name)) continue
    const values = exchange.query.getAll(name)
    Object.defineProperty(query, name, { value: values.length === 1 ? values[0] : values, enumerable: true })
  }
  return query
}

/** What is no escape, or no UTF-8, would silently become something else. */
function checkEscapes(query: string): void {
  for (const pair of query.split('&')) {
    try {
      decodeURIComponent(pair)
    } catch {
      const [name] = pair.split('=')
      throw fail.invalid('The query is not valid.', { field: `/${name}`, rule: 'encoding', expected: 'percent-encoded UTF-8' })
    }
  }
}

async function performOnce(exchange: Exchange, input: Input, stages: Stages, key: string): Promise<Answer> {
  const { route, caller } = exchange
  const request = { customer_id: caller.customer_id, operation: route.operation, key, content: JSON.stringify(input) }
  const answer = await stages.idempotency.run(request, async message_id => {
    try {
      await checkTargets(exchange, input, stages)
    } catch (error) {
      // Refused before the service saw it: the key is as good as unused. Forgotten while it is still ours, or somebody else's claim might go.
      if (error instanceof AppError && !open.has(error.status)) await stages.idempotency.forget(request)
      throw error
    }
    return settle(() => call(exchange, input, stages, message_id), exchange)
  })
  if (answer.replayed) exchange.headers['idempotency-replayed'] = 'true'
  return answer
}

const open: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'RESOURCE_EXHAUSTED'])
/** A refusal by the service is an answer to keep; anything else leaves the outcome open and is thrown. */
async function settle(work: () => Promise<Answer>, exchange: Exchange): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AppError) || open.has(error.status)) throw error
    return { status: httpCode(error), body: JSON.stringify(errorBody(error, exchange.request_id)) }
  }
}

async function perform(exchange: Exchange, input: Input, stages: Stages, message_id: string | undefined): Promise<Answer | Response> {
  const override = stages.overrides[exchange.route.operation]
  if (override) {
    const output = await declaredOnly(exchange, stages, () => override(exchange, input))
    return output instanceof Response ? output : { status: exchange.route.status, body: JSON.stringify(exchange.route.project(output)) }
  }
  await checkTargets(exchange, input, stages)
  return call(exchange, input, stages, message_id)
}

/** What the request points at: is it the caller's, and may the caller have it? */
async function checkTargets(exchange: Exchange, input: Input, stages: Stages): Promise<void> {
  await checkReferences(exchange, input, stages)
  await checkReach(exchange, input, stages)
}

/** Every id in path, query and body must be the caller's. For a read whose answer names its owner the path's own id is checked there. */
async function checkReferences(exchange: Exchange, input: Input, stages: Stages): Promise<void> {
  const { route } = exchange
  if (route.owner === 'platform') return checkThere(exchange, input, stages)
  const refs = route.method === 'GET' && route.ownerInAnswer ? route.refs.filter(ref => ref.in !== 'path') : route.refs
  if (refs.length === 0) return
  const foreign = await firstForeign(stages.owners, exchange.caller, input, { refs, skip: stages.shared })
  if (foreign !== undefined) throw fail.notFound(foreign)
}

/** An operation on somebody's credentials (`Route.reach`) looks first at what those may do. */
async function checkReach({ route, identity, caller }: Exchange, { id }: Input, stages: Stages): Promise<void> {
  if (route.reach === null || !identity) return
  const { permissions, scopes } = (await stages.rpc.call(caller, route.reach, { id })) as { permissions?: string[]; scopes?: string[] }
  stages.gate.checkReach(identity, permissions ?? scopes ?? [])
}

/** An operator may name everybody's rows, but none that are not there. What the path names the service looks for anyway. */
async function checkThere({ route, caller }: Exchange, input: Input, { owners }: Stages): Promise<void> {
  const refs = route.refs.filter(ref => ref.in !== 'path')
  const missing = refs.length > 0 ? await firstMissing(owners, caller, input, refs) : undefined
  if (missing !== undefined) throw fail.notFound(missing)
}

async function call(exchange: Exchange, input: Input, stages: Stages, message_id: string | undefined): Promise<Answer> {
  const { route, caller } = exchange
  const output = await declaredOnly(exchange, stages, () =>
    stages.rpc.call(caller, route.rpc, input, message_id === undefined ? undefined : { message_id }),
  )
  if (route.owner === 'customer') checkOwner(output, caller.customer_id, exchange, stages)
  return { status: route.status, body: JSON.stringify(bindPageToken(exchange, input, route.project(output))) }
}

/** Callers branch on reasons, so one that the contract does not declare must not reach them: it is our fault, and an alert. */
async function declaredOnly<T>({ route, request_id }: Exchange, { log }: Stages, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isAppError(error) || route.errors.has(error.reason) || generalReasons.has(error.reason)) throw error
    metrics.undeclaredErrors.inc({ operation: route.operation })
    log.error('service answered a reason the contract does not declare', { operation: route.operation, request_id, reason: error.reason })
    throw fail.internal()
  }
}

/** A row of somebody else must never go out, whatever the service did: alone it is a missing one, in a list it is left out. */
function checkOwner(output: unknown, customer_id: string, exchange: Exchange, { log }: Stages): void {
  if (typeof output !== 'object' || output === null) return
  const { customer_id: owner, result } = output as { customer_id?: unknown; result?: unknown }
  if (owner !== undefined && owner !== customer_id) {
    log.error('service answered with a foreign row', { operation: exchange.route.operation, request_id: exchange.request_id })
    throw fail.notFound(exchange.route.resource)
  }
  if (!Array.isArray(result)) return
  const own = result.filter(
    row =>
      (row as { customer_id?: unknown } | null)?.customer_id === undefined || (row as { customer_id: unknown }).customer_id === customer_id,
  )
  if (own.length === result.length) return
  log.error('service answered with foreign rows', {
    operation: exchange.route.operation,
    request_id: exchange.request_id,
    rows: result.length - own.length,
  })
  Object.assign(output, { result: own })
}

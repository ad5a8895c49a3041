import type { Problem } from './document.ts'
import type { Json } from './json.ts'
import { inputFields, isRpc, type Model, missingReason, notFoundReason, type Operation, type PublicOperation, queueOf } from './model.ts'
import { generalReasons, httpStatus } from './reasons.ts'
import { schemaRules } from './rules-schemas.ts'
import { asObject, resolve, typesOf } from './schema.ts'
import { sdkResources } from './sdk.ts'
import { pascal } from './text.ts'

type Complain = (message: string) => void

/** What the contract must keep beyond being readable: `docs/contract.md` in code. An empty list means it is in order. */
export function checkRules(model: Model): Problem[] {
  const problems: Problem[] = []
  const at =
    (file: string, where: string): Complain =>
    message =>
      void problems.push({ file, where, message })
  checkErrors(model, at)
  checkNames(model, at)
  for (const operation of model.operations) {
    const complain = at(operation.file, `${operation.where} (${operation.id})`)
    checkOperation(operation, model, complain)
    if (operation.kind === 'public') checkPublic(operation, model, complain)
    else checkInternal(operation, complain)
  }
  checkEvents(model, at)
  checkSdk(model, at)
  problems.push(...schemaRules(model))
  return problems
}

function checkErrors(model: Model, at: At): void {
  const derived = new Map([...model.resources.keys()].map(resource => [notFoundReason(resource), missingReason(resource)]))
  for (const [reason, row] of Object.entries(model.errors)) {
    const file = model.reasonFiles.get(reason) ?? 'errors.yaml'
    const complain = at(file, file === 'errors.yaml' ? reason : `x-reasons/${reason}`)
    if (!/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(reason)) complain(`${reason} is not UPPER_SNAKE_CASE`)
    if (!(row?.status in httpStatus))
      complain(`${reason} has the unknown status ${row?.status}; use one of ${Object.keys(httpStatus).join(', ')}`)
    if (!row?.message || !row.action) complain(`${reason} needs message and action`)
    const { message, action } = derived.get(reason) ?? {}
    if (model.reasonFiles.has(reason) && row?.message === message && row?.action === action)
      complain(`${reason} follows from its resource with these very words; take it out`)
  }
  for (const reason of generalReasons) if (!(reason in model.errors)) at('errors.yaml', '')(`the general reason ${reason} is missing`)
}

type At = (file: string, where: string) => Complain

/** Names that become names in code must be unique there. */
function checkNames(model: Model, at: At): void {
  const operations = new Map<string, Operation>()
  const routes = new Map<string, Operation>()
  for (const operation of model.operations) {
    const complain = at(operation.file, operation.where)
    const other = operations.get(operation.id)
    if (other) complain(`operationId ${operation.id} is taken by ${other.file} ${other.where}`)
    operations.set(operation.id, operation)
    if (!isRpc(operation)) continue
    const route = `${queueOf(operation)} ${operation.method} ${operation.route.replace(/\{\w+\}/g, '{}')}`
    const rival = routes.get(route)
    if (rival) complain(`${operation.method} ${operation.route} is already the route of ${rival.id}`)
    routes.set(route, operation)
  }
  const reserved = new Set(model.operations.flatMap(({ id }) => [`${pascal(id)}Input`, `${pascal(id)}Output`]))
  for (const service of model.services)
    for (const part of ['Methods', 'Events', 'Consumed', 'Contract', 'Handlers']) reserved.add(pascal(service) + part)
  for (const [name, { file }] of model.schemaOwner) {
    const complain = at(file, `schema ${name}`)
    if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) complain('schema names are PascalCase')
    if (reserved.has(name) || /(Loose|Public)$/.test(name)) complain(`${name} is a name the generator uses`)
    if (['Error', 'Event', 'Partial', 'Promise', 'Record', 'Request', 'Response'].includes(name)) complain(`${name} hides a global`)
  }
}

function checkOperation(operation: Operation, model: Model, complain: Complain): void {
  if (!/^[a-z][A-Za-z0-9]*$/.test(operation.id)) complain('operationId is missing or not lowerCamelCase, such as createCall')
  if (!operation.summary) complain('summary is missing')
  if (!Array.isArray(operation.raw['x-errors'])) complain('x-errors is missing; write [] when it has no reasons of its own')
  for (const reason of operation.ownErrors) {
    if (generalReasons.has(reason)) complain(`${reason} is added to every operation; take it out of x-errors`)
    else if (!(reason in model.errors))
      complain(`reason ${reason} is declared nowhere; add it to x-reasons at the top of this file: ${reason}: { status, message, action }`)
  }
  if (![30_000, 120_000].includes(operation.timeout_ms)) complain('x-timeout is 30 or 120')
  const inRoute = [...operation.route.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? '')
  const declared = operation.path.map(field => field.name)
  if ([...inRoute].sort().join() !== [...declared].sort().join()) complain(`the path holds {${inRoute}} but {${declared}} are declared`)
  checkFields(operation, model, complain)
}

/** The fields of the flat input: no two of one name, and in the query only what a query can carry. */
function checkFields(operation: Operation, model: Model, complain: Complain): void {
  const seen = new Set<string>()
  for (const { name } of inputFields(operation, model.schemas) ?? [...operation.path, ...operation.query]) {
    if (seen.has(name)) complain(`the input has two fields called ${name}`)
    seen.add(name)
  }
  for (const field of operation.query) {
    const schema = resolve(field.schema, model.schemas)
    const item = schema.type === 'array' ? resolve(schema.items ?? {}, model.schemas) : schema
    const types = item.enum ? ['string'] : typesOf(item).types
    if (!types.every(type => ['string', 'integer', 'number', 'boolean'].includes(type)) || types.length === 0) {
      complain(`query parameter ${field.name} must be a string, number or boolean, or an array of those`)
    }
  }
}

const operationWords: ReadonlySet<string> = new Set([
  'operationId',
  'tags',
  'summary',
  'description',
  'deprecated',
  'parameters',
  'requestBody',
  'responses',
  'x-permission',
  'x-owner',
  'x-rate-limit',
  'x-errors',
  'x-idempotent',
  'x-override',
  'x-rpc',
  'x-timeout',
  'x-sdk',
])
const butIs = (value: string): string => (value === '' ? '; it is missing' : `, not ${value}`)

/** A list is paged, or it would end where nobody expects it. */
function checkList(operation: PublicOperation, model: Model, complain: Complain): void {
  const object = operation.output && asObject(operation.output, model.schemas)
  if (operation.method !== 'GET' || object?.properties?.result === undefined) return
  const missing = ['result', 'next_page_token'].filter(name => !object.required?.includes(name))
  if (missing.length > 0) complain(`a list answers { result, next_page_token }, both required; ${missing.join(' and ')} is not`)
  const asked = ['page_size', 'page_token'].filter(name => !operation.query.some(field => field.name === name))
  if (asked.length === 1) complain(`a list takes ${asked.join(' and ')}: ./common.yaml#/components/parameters/PageSize and PageToken`)
}

const owners = ['customer', 'self', 'platform']
const rateLimits = ['api', 'call_create', 'login']

function checkPublic(operation: PublicOperation, model: Model, complain: Complain): void {
  if (!/^\/(v1\.0|auth|me)(\/|$)/.test(operation.httpPath)) complain('paths begin with /v1.0/, /auth/ or /me')
  if (!/^[a-z0-9]+(_[a-z0-9]+)+$|^public$|^authenticated$/.test(operation.permission))
    complain(`x-permission is <resource>_<verb>, public or authenticated${butIs(operation.permission)}`)
  if (!owners.includes(operation.owner)) complain(`x-owner is one of ${owners.join(', ')}${butIs(operation.owner)}`)
  if (!rateLimits.includes(operation.rateLimit)) complain(`x-rate-limit is one of ${rateLimits.join(', ')}${butIs(operation.rateLimit)}`)
  if (!operation.tag) complain('tags is missing: [<resource plural>]')
  for (const word of Object.keys(operation.raw).filter(name => !operationWords.has(name)))
    complain(`the generator does not know the word ${word}; it knows ${[...operationWords].join(', ')}`)
  checkList(operation, model, complain)
  if (operation.rpc !== undefined) {
    const target = model.operations.find(other => other.id === operation.rpc)
    if (!target || !isRpc(target)) complain(`x-rpc names ${operation.rpc}, which is no operation over RPC`)
  }
  if (!operation.override && (operation.output?.$ref === undefined || ![200, 201, 202].includes(operation.status))) {
    complain('the success response is 200, 201 or 202 with a named JSON schema, or the operation has x-override: true')
  }
  if (Object.keys((operation.raw.responses ?? {}) as object).some(code => !code.startsWith('2')))
    complain('error responses are added by the generator')
  checkRepeats(operation, complain)
  checkBody(operation, model, complain)
  checkExamples(operation, complain)
}

/** A client that got no answer asks again: a POST takes an `Idempotency-Key`, or says why asking twice does no harm. */
function checkRepeats(operation: PublicOperation, complain: Complain): void {
  const why = operation.raw['x-idempotent']
  if (why === undefined && operation.method === 'POST' && operation.override)
    complain('a POST with x-override takes no Idempotency-Key; say in x-idempotent why asking twice does no harm')
  if (why === undefined) return
  if (operation.method !== 'POST') complain('x-idempotent is for POST; the other methods may be repeated by nature')
  if (operation.status === 201) complain('a POST that creates (201) takes an Idempotency-Key; take x-idempotent out')
  if (typeof why !== 'string' || !why.endsWith('.')) complain('x-idempotent is a sentence: why asking twice does no harm')
}

function checkBody(operation: PublicOperation, model: Model, complain: Complain): void {
  if (!operation.body) return
  const { schema, required } = operation.body
  if (operation.method === 'GET') complain('a GET has no body')
  const object = asObject(schema, model.schemas)
  if (!object && !resolve(schema, model.schemas).oneOf) complain('the body must be an object')
  if (!required && (object?.required ?? []).length > 0) complain('a body with required fields is itself required')
}

interface Media {
  example?: Json
  examples?: Json
}

function checkExamples(operation: PublicOperation, complain: Complain): void {
  const body = (operation.raw.requestBody as { content?: Record<string, Media> } | undefined)?.content?.['application/json']
  const responses = (operation.raw.responses ?? {}) as Record<string, { content?: Record<string, Media> }>
  const answer = responses[operation.status]?.content?.['application/json']
  if (body && body.example === undefined) complain('the body has no example; the reference shows it, and the generated tests send it')
  if (answer && answer.example === undefined) complain('the success response has no example; the reference shows it')
}

function checkInternal(operation: Operation, complain: Complain): void {
  if (!['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(operation.method)) complain('x-method is GET, POST, PUT, PATCH or DELETE')
  if (!operation.route.startsWith('/v1/')) complain('x-route begins with /v1/')
  const parameter = /\{(\w+)\}/.exec(queueOf(operation))?.[1]
  const fields = [...operation.path, ...operation.query].map(field => field.name)
  const inBody = Object.keys(operation.body?.schema.properties ?? {})
  if (parameter && operation.body?.schema.$ref === undefined && ![...fields, ...inBody].includes(parameter)) {
    complain(`the queue depends on ${parameter}, which the input does not hold`)
  }
}

function checkEvents(model: Model, at: At): void {
  const seen = new Map<string, string>()
  for (const event of model.events) {
    const complain = at(event.file, `event ${event.type}`)
    if (!/^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$/.test(event.type)) complain('events are named <resource>.<what_happened>')
    const other = seen.get(event.type)
    if (other) complain(`the event is sent by ${other} already`)
    seen.set(event.type, event.service)
    if (!event.summary) complain('summary is missing')
    const data = asObject(event.data, model.schemas)
    if (!data) complain('data must be an object')
    const id = data?.properties?.id ? 'id' : `${event.resource}_id`
    if (!data?.required?.includes(id)) complain(`data needs a required id or ${event.resource}_id, which becomes resource_id`)
  }
}

function checkSdk(model: Model, at: At): void {
  for (const [resource, methods] of sdkResources(model)) {
    const seen = new Map<string, string>()
    for (const { name, operation } of methods) {
      const other = seen.get(name)
      if (other) at(operation.file, operation.where)(`client.${resource}.${name} is ${other} already; give one of the two an x-sdk`)
      seen.set(name, operation.id)
    }
  }
}

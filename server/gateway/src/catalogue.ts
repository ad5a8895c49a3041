import { events, isPublicEvent, projectEvent } from '@voipbin/generated/events/index'
import { type Route as Row, resources } from '@voipbin/generated/gateway/index'
import { routeConfig } from '@voipbin/generated/gateway/zod-openapi'
import { toDetails, type Validator } from '@voipbin/kernel'
import type { HttpMethod, RawInput, Route, Validated } from './route.ts'
import type { EventView } from './websocket/events.ts'

type Detail = { field: string; rule: string; expected?: string }

/** A generated row as the gateway handles it. */
export function toRoute(row: Row): Route {
  const resource = row.resource ?? row.tag
  return {
    operation: row.id,
    rpc: row.rpc ?? row.id,
    method: row.method.toUpperCase() as HttpMethod,
    path: row.path,
    config: routeConfig(row),
    permission: row.permission,
    owner: row.owner,
    rate: row.rate_limit,
    status: row.status,
    idempotent: row.idempotent,
    override: row.override,
    timeout_ms: row.timeout_ms,
    refs: row.refs,
    reach: reachOf(row, resource),
    errors: new Set(row.errors),
    // The operation that reads one row of a resource answers with the row, and every row names its customer.
    ownerInAnswer: Object.hasOwn(resources, resource) && resources[resource]?.read === row.id,
    resource,
    validate: raw => validate(row.request, raw),
    project: row.project,
  }
}

/** The contract says by its reason that what somebody else may do counts; the id in the path says whose credentials they are. */
function reachOf({ errors, refs }: Row, resource: string): string | null {
  const named = refs.some(ref => ref.in === 'path') && errors.includes('PERMISSION_NOT_GRANTABLE')
  return named ? (resources[resource]?.read ?? null) : null
}

/**
 * Existing clients send `""` for an id they do not have (docs/compatibility.md): it is taken for null where the contract knows that, else for left out.
 * Looked at only when a request is not valid, so that nobody else pays for it.
 */
function validate(request: Row['request'], raw: RawInput): Validated {
  const first = validateInput(request, raw)
  if (first.ok) return first
  const ids = first.details.filter(({ rule, expected }) => rule === 'format' && expected === 'uuid')
  const empty = ids.flatMap(({ field }) => {
    const place = placeOf(raw.body, field)
    return place?.holder[place.name] === '' ? [{ field, ...place }] : []
  })
  if (empty.length === 0) return first
  for (const { holder, name } of empty) holder[name] = null
  const second = validateInput(request, raw)
  if (second.ok) return second
  const refused = new Set(second.details.map(({ field }) => field))
  for (const { field, holder, name } of empty) if (refused.has(field)) delete holder[name]
  return validateInput(request, raw)
}

/** The object of a body that a JSON pointer leads into, and the name there. */
function placeOf(body: unknown, pointer: string): { holder: Record<string, unknown>; name: string } | undefined {
  const steps = pointer.split('/').slice(1)
  const name = steps.pop()
  let at = body
  for (const step of steps) at = typeof at === 'object' && at !== null && Object.hasOwn(at, step) ? at[step as keyof typeof at] : undefined
  if (name === undefined || typeof at !== 'object' || at === null || Array.isArray(at)) return undefined
  return { holder: at as Record<string, unknown>, name }
}

/** Checks the three parts and makes the flat input of them; all faults of all parts are told at once. */
function validateInput(request: Row['request'], raw: RawInput): Validated {
  const details: Detail[] = []
  const input = {}
  part(request.params, raw.path, input, details)
  part(request.query, raw.query, input, details)
  if (request.body === undefined) {
    // Clients that always send a body send an empty object where there is nothing to say.
    if (raw.body !== undefined && Object.keys(raw.body ?? { null: null }).length > 0)
      details.push({ field: '', rule: 'additionalProperties', expected: 'no body' })
  } else if (raw.body !== undefined || request.body_required)
    part(request.body, raw.body ?? (raw.body === null ? null : {}), input, details)
  return details.length > 0 ? { ok: false, details } : { ok: true, input }
}

function part(schema: Validator | undefined, value: unknown, input: object, details: Detail[]): void {
  if (schema === undefined) {
    for (const name of Object.keys(value as object))
      details.push({ field: `/${name}`, rule: 'additionalProperties', expected: 'no such parameter' })
    return
  }
  const result = schema.safeParse(value)
  if (result.success) Object.assign(input, result.data)
  else details.push(...toDetails(result.error.issues, value))
}

/** What of every event may be seen outside. */
export const eventViews: Readonly<Record<string, EventView>> = Object.fromEntries(
  Object.entries(events).map(([type, { internal }]) => {
    const open = isPublicEvent(type)
    return [type, { internal: internal || !open, project: (data: unknown) => (open ? projectEvent(type, data as never) : undefined) }]
  }),
)

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
    errors: new Set(row.errors),
    // The operation that reads one row of a resource answers with the row, and every row names its customer.
    ownerInAnswer: Object.hasOwn(resources, resource) && resources[resource]?.read === row.id,
    resource,
    validate: raw => validateInput(row.request, raw),
    project: row.project,
  }
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

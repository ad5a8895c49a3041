import { events } from '@voipbin/generated/events/index'

/** Whether an endpoint's filters name an event type. */
export const wants = (filters: readonly string[], event_type: string): boolean =>
  filters.some(filter => filter === '*' || filter === event_type || (filter.endsWith('.*') && event_type.startsWith(filter.slice(0, -1))))

/** The event of a test; sent to one endpoint only, whatever its filters. */
export const pingType = 'webhook.ping'

const known = new Set(
  Object.entries(events)
    .filter(([, { internal }]) => !internal)
    .map(([type]) => type),
)

/** The first filter that no event can ever fit, if any. */
export const unknownFilter = (filters: readonly string[]): string | undefined =>
  filters.find(filter => ![...known].some(type => wants([filter], type)))

/** `call.hungup` as a webhook spells it: the mechanical mapping of `DECISIONS.md` 12. */
export const webhookType = (event_type: string): string => event_type.replace('.', '_')

/** Exactly what is sent and signed. */
export const payload = (event: { event_id: string; event_type: string; timestamp: string; data: unknown }): string =>
  JSON.stringify({ id: event.event_id, type: webhookType(event.event_type), created: event.timestamp, data: event.data })

/** When the next attempt is due, in milliseconds from now; `undefined` after the last one. Up to a tenth is added, so that endpoints recover gently. */
export function nextDelay(schedule: readonly number[], attempts: number, random = Math.random()): number | undefined {
  const seconds = schedule[attempts]
  return seconds === undefined ? undefined : Math.round(seconds * 1000 * (1 + random / 10))
}

const signature = /signature$/i

/** Headers as the record shows them: enough of a signature to compare, too little to use. */
export const shortened = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, signature.test(name) ? `${value.slice(0, 16)}…` : value]))

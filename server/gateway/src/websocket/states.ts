import { type Logger, metrics, type StateMessage, StateSubscription } from '@voipbin/kernel'
import { wireFrame } from './client.ts'
import { addressOf } from './events.ts'
import type { Hub } from './hub.ts'

/** What the gateway needs to know of one state. */
export interface StateView {
  readonly resource: string
  /** Its own fields: what else a message carries is not passed on. */
  readonly fields: readonly string[]
}
export interface StateFeedOptions {
  connect: readonly string[]
  views: Readonly<Record<string, StateView>>
  hub: Hub
  log: Logger
}

/**
 * Passes states on to sockets. Whatever goes wrong here stays here: a library that does not load, publishers that are away and messages
 * that nobody understands cost states, never events.
 */
export function openStateFeed({ connect, views, hub, log }: StateFeedOptions): { close(): Promise<void> } {
  if (connect.length === 0) return { close: async () => undefined }
  const opening = StateSubscription.open({ connect, log, receive: message => passOn(message, views, hub) }).catch(error => {
    log.warn('no fast path for states', { connect, err: error })
    return undefined
  })
  return {
    close: async () => {
      await (await opening)?.close()
    },
  }
}

function passOn({ type, data }: StateMessage, views: StateFeedOptions['views'], hub: Hub): void {
  const view = Object.hasOwn(views, type) ? views[type] : undefined
  const { customer_id, timestamp } = data
  if (!view || typeof customer_id !== 'string' || typeof timestamp !== 'string') {
    metrics.states.inc({ state_type: view ? type : 'unknown', outcome: 'dropped' })
    return
  }
  const { resource, fields } = view
  const name = `${resource}_id`
  const id = data[name]
  const resource_id = typeof id === 'string' ? id : undefined
  const shown = Object.fromEntries(['customer_id', name, ...fields, 'timestamp'].map(field => [field, data[field]]))
  // Without an id it is about all rows: only a topic of all rows covers it.
  const address = addressOf({ customer_id, resource_type: resource, resource_id: resource_id ?? '', data })
  const frame = { type: 'state', state_type: type, timestamp, resource_type: resource, resource_id, data: shown }
  metrics.states.inc({ state_type: type, outcome: hub.publish(address, () => wireFrame(JSON.stringify(frame))) > 0 ? 'passed' : 'unheard' })
}

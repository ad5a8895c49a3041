import type { EventFrame } from '@voipbin/sdk/realtime'
import { Icon } from '../parts/icon.tsx'
import { IconButton } from '../parts/icon-button.tsx'
import { JsonTree } from '../parts/json-tree.tsx'
import { clearEvents, events, filter, held, pause, realtime, resume, shown } from '../store/events.ts'

const stateText = { closed: 'Off', connecting: 'Connecting…', open: 'Live', reconnecting: 'Reconnecting…' } as const

/** What the platform says over the WebSocket, as it happens. */
export function EventLog() {
  const { state, detail } = realtime.value
  const waiting = held.value
  return (
    <section class="panel events" aria-labelledby="events-title">
      <header class="panel-head">
        <h2 id="events-title">Events</h2>
        <span class="pill small" data-testid="realtime" data-state={waiting ? 'paused' : state} title={detail || undefined}>
          <span class="dot" aria-hidden="true" />
          {waiting ? `Paused${waiting.length ? ` · ${waiting.length} new` : ''}` : stateText[state]}
        </span>
        <span class="grow" />
        <IconButton
          icon={waiting ? 'play' : 'pause'}
          label={waiting ? 'Go on' : 'Pause'}
          testid="pause-events"
          onClick={waiting ? resume : pause}
        />
        <IconButton icon="trash" label="Clear" onClick={clearEvents} />
      </header>
      <label class="search">
        <Icon name="search" size={16} />
        <input
          type="search"
          data-testid="event-filter"
          aria-label="Filter events"
          placeholder="Filter, e.g. call.answered"
          value={filter.value}
          onInput={event => (filter.value = event.currentTarget.value)}
        />
      </label>
      <div class="panel-body">
        {events.value.length === 0 && (
          <div class="empty">
            <Icon name="activity" size={28} />
            <p>{state === 'open' ? 'Listening' : stateText[state]}</p>
            <p class="muted">{detail || 'Every step of every call appears here the moment it happens.'}</p>
          </div>
        )}
        {events.value.length > 0 && shown.value.length === 0 && <p class="empty muted">Nothing matches this filter.</p>}
        <ol class="event-rows" data-testid="events">
          {shown.value.map(event => (
            <EventRow key={event.event_id} event={event} />
          ))}
        </ol>
      </div>
    </section>
  )
}

function EventRow({ event }: { event: EventFrame }) {
  const [domain = '', ...rest] = event.event_type.split('.')
  return (
    <li>
      <details class="event">
        <summary>
          <Icon name="chevron" size={14} />
          <span class="event-type">
            <span class="event-domain" data-domain={domain}>
              {domain}
            </span>
            <span>{rest.join('.')}</span>
          </span>
          <code class="event-id">{event.resource_id.slice(-6)}</code>
          <time dateTime={event.timestamp}>{new Date(event.timestamp).toLocaleTimeString()}</time>
        </summary>
        <JsonTree value={event} />
      </details>
    </li>
  )
}

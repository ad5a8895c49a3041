import { signal } from '@preact/signals'
import type { Call } from '../api.ts'
import { causeText, duration, numberOf, statusText, when } from '../format.ts'
import { Avatar } from '../parts/avatar.tsx'
import { Icon, type IconName } from '../parts/icon.tsx'
import { IconButton } from '../parts/icon-button.tsx'
import { historyError, historyState, loadHistory, loadOlder, page, rows } from '../store/history.ts'
import { dial } from '../store/phone.ts'
import { extension } from '../store/session.ts'

const onlyMine = signal(false)

/** The calls of the customer, newest first, seen from this extension. */
export function History() {
  const mine = extension.value
  const shown = onlyMine.value ? rows.value.filter(row => sideOf(row, mine?.extension) !== 'other') : rows.value
  return (
    <section class="panel history" aria-labelledby="history-title">
      <header class="panel-head">
        <h2 id="history-title">Calls</h2>
        <span class="grow" />
        <label class="switch">
          <input type="checkbox" checked={onlyMine.value} onChange={event => (onlyMine.value = event.currentTarget.checked)} />
          Only mine
        </label>
        <IconButton icon="refresh" label="Refresh" onClick={() => void loadHistory()} />
      </header>
      <div class="panel-body">
        {historyState.value === 'error' && (
          <div class="notice danger" role="alert">
            <span>{historyError.value}</span>
            <button type="button" class="button small" onClick={() => void loadHistory()}>
              Try again
            </button>
          </div>
        )}
        {shown.length === 0 && historyState.value === 'loading' && <Skeleton />}
        {shown.length === 0 && historyState.value === 'idle' && <Empty />}
        <ul class="rows" data-testid="history">
          {shown.map(row => (
            <Row key={row.id} row={row} />
          ))}
        </ul>
        {page.value?.next_page_token && (
          <button
            type="button"
            class="button wide"
            data-testid="load-older"
            disabled={historyState.value === 'loading'}
            onClick={() => void loadOlder()}
          >
            {historyState.value === 'loading' ? 'Loading…' : 'Show older calls'}
          </button>
        )}
      </div>
    </section>
  )
}

type Side = 'incoming' | 'outgoing' | 'missed' | 'other'

/** Somebody at this extension saw the call and did not want it: that is not missed. */
const isDeclined = ({ hangup_cause }: Call): boolean => hangup_cause === 'user_busy' || hangup_cause === 'call_rejected'

/** A call row is one leg seen from the platform; here it is turned to how this extension saw it. */
function sideOf(row: Call, mine: string | undefined): Side {
  if (mine && row.source.target === mine) return 'outgoing'
  if (mine && row.destination.target === mine) return row.tm_answer || row.status !== 'completed' || isDeclined(row) ? 'incoming' : 'missed'
  return 'other'
}

const icons: Record<Side, IconName> = { incoming: 'incoming', outgoing: 'outgoing', missed: 'missed', other: 'chevron' }
const words: Record<Side, string> = { incoming: 'Incoming', outgoing: 'Outgoing', missed: 'Missed', other: 'Between others' }

function Row({ row }: { row: Call }) {
  const side = sideOf(row, extension.value?.extension)
  const other = side === 'incoming' || side === 'missed' ? row.source : row.destination
  const known = nameOf(other)
  const name = known || unknown
  const caller = nameOf(row.source) || unknown
  const running = row.status !== 'completed'
  return (
    <li class="row" data-side={side}>
      <Avatar name={known} />
      <span class="row-main">
        <span class="row-title truncate" title={side === 'other' ? `${caller} → ${name}` : name}>
          {side === 'other' && <span class="muted">{caller} → </span>}
          {name}
        </span>
        <span class="row-sub">
          <span class="side" title={words[side]}>
            <Icon name={icons[side]} size={14} />
            <span class="visually-hidden">{words[side]}</span>
          </span>
          <span class="truncate">{running ? <span class="live">{statusText(row.status)}</span> : outcome(row, side)}</span>
        </span>
      </span>
      <time class="row-time" dateTime={row.tm_create}>
        {when(row.tm_create)}
      </time>
      <button
        type="button"
        class="icon-button"
        aria-label={`Call ${name}`}
        title={`Call ${name}`}
        disabled={!numberOf(other.target)}
        onClick={() => void dial(other.target)}
      >
        <Icon name="phone" size={18} />
      </button>
    </li>
  )
}

const unknown = 'Unknown caller'
const nameOf = ({ target_name, target }: Call['source']): string => target_name || numberOf(target)

function outcome(row: Call, side: Side): string {
  if (row.tm_answer) return duration(row.duration ?? 0)
  if (side === 'incoming') return 'Declined'
  return side === 'missed' ? 'Missed' : causeText(row.hangup_cause)
}

function Empty() {
  return (
    <div class="empty" data-testid="history-empty">
      <Icon name="clock" size={28} />
      <p>No calls yet</p>
      <p class="muted">Calls you make and take show up here.</p>
    </div>
  )
}

function Skeleton() {
  return (
    <div role="status" aria-label="Loading calls">
      {[70, 50, 62, 45, 58].map(width => (
        <div key={width} class="row skeleton" aria-hidden="true">
          <span class="avatar" style={{ '--avatar-size': '40px' }} />
          <span class="row-main">
            <span class="bone" style={{ width: `${width}%` }} />
            <span class="bone thin" style={{ width: `${width / 2}%` }} />
          </span>
        </div>
      ))}
    </div>
  )
}

import { signal } from '@preact/signals'
import type { PageResult } from '@voipbin/sdk'
import type { Call } from '../api.ts'
import { errorText } from '../errors.ts'
import { api } from './api.ts'

export const rows = signal<Call[]>([])
export const historyState = signal<'idle' | 'loading' | 'error'>('idle')
export const historyError = signal('')
/** The page shown last; empty token at the end. */
export const page = signal<PageResult<Call> | null>(null)

/** Counts sign-outs: what was asked for before one is not for whoever signs in after it. */
let epoch = 0

/** Loads the newest page. */
export async function loadHistory(): Promise<void> {
  await load(() => api.listCalls(), false)
}

export async function loadOlder(): Promise<void> {
  const current = page.value
  if (current?.next_page_token) await load(() => current.next(), true)
}

/** Puts one call of an event where it belongs: known ones are replaced, new ones go on top. */
export function upsert(row: Call): void {
  const index = rows.value.findIndex(({ id }) => id === row.id)
  rows.value = index < 0 ? [row, ...rows.value] : rows.value.with(index, row)
}

export function clearHistory(): void {
  epoch++
  rows.value = []
  page.value = null
  historyState.value = 'idle'
}

async function load(ask: () => Promise<PageResult<Call> | undefined>, append: boolean): Promise<void> {
  if (historyState.value === 'loading') return
  historyState.value = 'loading'
  const asked = epoch
  try {
    const answer = await ask()
    if (asked !== epoch) return
    const found = answer?.result ?? []
    const known = new Set(found.map(({ id }) => id))
    rows.value = append ? [...rows.value.filter(({ id }) => !known.has(id)), ...found] : found
    page.value = answer ?? null
    historyState.value = 'idle'
  } catch (error) {
    if (asked !== epoch) return
    historyError.value = errorText(error)
    historyState.value = 'error'
  }
}

import { hash } from 'node:crypto'
import { invalidPageToken } from '@voipbin/kernel'
import type { Exchange } from './exchange.ts'

type Input = Record<string, unknown>

/** Letters of base64url in front of a service's own token: 60 bits. */
const markLength = 10

/**
 * Names the list that a request reads: operation, customer and everything that is asked for but `page_size` and `page_token`. No key is in it: it tells
 * a mistaken token, and a made-up one is a position among rows that its maker may read anyway.
 */
function markOf({ route, caller }: Exchange, input: Input): string {
  const { page_size: _size, page_token: _token, ...filters } = input
  const named = Object.entries(filters).sort(([a], [b]) => (a < b ? -1 : 1))
  return hash('sha256', JSON.stringify([route.operation, caller.customer_id, named]), 'base64url').slice(0, markLength)
}

/**
 * The input with the page token that the service gave. Other input comes back as it is.
 * @throws AppError `INVALID_ARGUMENT` naming `/page_token` for a token of another list, or of this one with other filters.
 */
export function openPageToken(exchange: Exchange, input: Input): Input {
  const { page_token } = input
  if (typeof page_token !== 'string' || page_token === '') return input
  if (page_token.slice(0, markLength) !== markOf(exchange, input)) throw invalidPageToken()
  return { ...input, page_token: page_token.slice(markLength) }
}

/** The answer with its page token bound to the list that `input` asked for. Other answers come back as they are. */
export function bindPageToken(exchange: Exchange, input: Input, answer: unknown): unknown {
  const token = (answer as { next_page_token?: unknown } | null)?.next_page_token
  if (typeof token !== 'string' || token === '') return answer
  return { ...(answer as object), next_page_token: markOf(exchange, input) + token }
}

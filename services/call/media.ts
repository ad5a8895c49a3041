import { mayFetch } from '@voipbin/kernel'
import { config } from './config.ts'
import type { Ctx } from './lifecycle.ts'
import type { HangupCause } from './rules.ts'

/** What Asterisk is told when the platform ends a leg; the SIP status of a leg not yet answered follows from it (RFC 3398 §7.2.4.1). */
export const q850Of: Record<HangupCause, number> = {
  normal_clearing: 16,
  user_busy: 17,
  no_answer: 19,
  call_rejected: 21,
  unallocated_number: 1,
  network_failure: 38,
  timeout: 102,
  amd: 16,
  originator_cancel: 16,
  failed: 41,
}

/** What a caller hears while a destination rings, in the cadence of `indications.conf`. */
export const ringback = 'tone:ring'

/** A URL as Asterisk plays it. */
export const soundOf = (url: string): string => `sound:${url}`

/**
 * What a customer names, as Asterisk plays it; without what must not be fetched: Asterisk takes anything but a URL for a file of its own, and asks
 * whatever address a URL leads to.
 */
export async function soundsOf(ctx: Ctx, urls: readonly string[]): Promise<string[]> {
  const checked = await Promise.all(urls.map(async url => ((await mayFetch(url, config.of(ctx))) ? [soundOf(new URL(url).href)] : [])))
  const refused = checked.filter(([sound]) => sound === undefined).length
  if (refused > 0) ctx.log.info('sounds not fetched', { refused })
  return checked.flat()
}

import type { Address, Call } from '@voipbin/generated/schemas'
import { armDialTimer, type CallTx, channelId } from './lifecycle.ts'
import { type CallRow, calls, type Leg } from './schema.ts'

export interface LegOptions {
  type: Call['type']
  source: Address
  dial_timeout: number
  max_duration: number
  flow_id?: string | null
  groupcall_id?: string | null
  master_call_id?: string | null
  /** Legs that will share a bridge must be on one Asterisk: they are placed at once. */
  asterisk_id?: string | null
}

/** Makes the row of an outgoing call. Its INVITE comes after the commit: by the effect `dial`, or `dialSoon`. */
export async function insertLeg(tx: CallTx, leg: Leg, options: LegOptions): Promise<CallRow> {
  const { flow_id = null, groupcall_id = null, master_call_id = null, asterisk_id = null } = options
  const { id = tx.newId(), activeflow_id = null } = leg
  const row = await calls.insert(tx, {
    id,
    ...leg.owner,
    type: options.type,
    direction: 'outgoing',
    status: 'initiating',
    flow_id,
    activeflow_id,
    groupcall_id,
    master_call_id,
    chained_call_ids: [],
    source: options.source,
    destination: leg.destination,
    source_target: options.source.target,
    destination_target: leg.destination.target,
    recording_ids: [],
    dial_timeout: options.dial_timeout,
    max_duration: options.max_duration,
    asterisk_id,
    channel_id: asterisk_id && channelId(id, 0),
    dialroutes: leg.dialroutes,
    provider_id: leg.dialroutes[0]?.provider_id ?? null,
    dial_uri: leg.dial_uri,
    hops: leg.hops ?? 0,
  })
  await tx.emit('call.created', row)
  if (asterisk_id) await armDialTimer(tx, row)
  return row
}

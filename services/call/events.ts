import type { CallConsumers } from '@voipbin/generated/rpc/call'
import { shardOf, stamp } from '@voipbin/kernel'
import { collect, endAction } from './actions.ts'
import { change } from './effects.ts'
import { incoming } from './inbound.ts'
import { answered, type CallTx, type Ctx, callOfChannel, channelEnded, hangup, ringing } from './lifecycle.ts'
import { endedByKey, recordingOver } from './recordings.ts'
import { isLive, liveStatuses } from './rules.ts'
import { actions, asteriskTable, type CallRow, calls, recordings } from './schema.ts'

/** Digits kept for the next `digits_receive`. */
const maxDigits = 64

/** Finds the call of a channel and changes it as its customer. Channels that are no call's (any more) are left alone. */
async function onCall(ctx: Ctx, channel_id: string, work: Parameters<typeof change>[2]): Promise<void> {
  // Where the channel's id follows from the call's: by that, because the call may have gone on to another channel when this event comes again.
  const call_id = callOfChannel(channel_id)
  const [row] = await calls.system.find(ctx, call_id ? { id: call_id } : { channel_id }, { limit: 1 })
  if (row)
    await change(ctx.as(row.customer_id), row.id, (tx, live) => (live.channel_id === channel_id ? work(tx, live) : Promise.resolve([])))
}

export const consumers: CallConsumers = {
  'asterisk.channel_entered': async (ctx, { data }) => {
    if (data.direction === 'inbound') return incoming(ctx, data)
    await onCall(ctx, data.channel_id, async (tx, row) => {
      const { sip_call_id } = data.channel
      const known = row.sip_call_id || !sip_call_id ? row : await calls.system.update(tx, row, { sip_call_id })
      return (await answered(tx, known)).effects
    })
  },
  'asterisk.channel_state': async (ctx, { data }) => {
    await onCall(ctx, data.channel_id, async (tx, row) => {
      if (data.state === 'up') return (await answered(tx, row)).effects
      await ringing(tx, row)
      return []
    })
  },
  'asterisk.channel_hangup': async (ctx, { data }) => {
    await onCall(ctx, data.channel_id, (tx, row) => channelEnded(tx, row, { q850: data.cause, sip_code: data.sip_code }))
  },
  'asterisk.channel_dtmf': async (ctx, { data }) => {
    await onCall(ctx, data.channel_id, async (tx, row) => {
      if (!isLive(row.status)) return []
      const pressed = await calls.system.update(tx, row, { digits: (row.digits + data.digit).slice(-maxDigits) })
      const [action] = await actions.system.find(tx, { call_id: row.id, status: 'running' }, { limit: 1 })
      if (action) await collect(tx, pressed, action)
      const recording_id = await endedByKey(tx, row, data.digit)
      return recording_id ? [{ type: 'stop_recording', call_id: row.id, recording_id }] : []
    })
  },
  'asterisk.channel_hold': (ctx, { data }) => onCall(ctx, data.channel_id, (tx, row) => setHold(tx, row, true)),
  'asterisk.channel_unhold': (ctx, { data }) => onCall(ctx, data.channel_id, (tx, row) => setHold(tx, row, false)),
  'asterisk.playback_finished': async (ctx, { data }) => {
    if (!data.channel_id) return
    const result =
      data.state === 'done' ? ({ outcome: 'ok' } as const) : ({ outcome: 'failed', detail: 'the media could not be played' } as const)
    await onCall(ctx, data.channel_id, async tx => {
      await endAction(tx, data.playback_id, result)
      return []
    })
  },
  'asterisk.recording_finished': (ctx, { data }) => recordingOver(ctx, data.name, { duration: data.duration }),
  'asterisk.recording_failed': (ctx, { data }) => recordingOver(ctx, data.name, { failed: data.reason }),
  'asterisk.channels_snapshot': reconcile,
  'customer.updated': async (ctx, { data }) => {
    if (data.status !== 'active') await endCallsOf(ctx, data.id)
  },
  'customer.deleted': (ctx, { data }) => endCallsOf(ctx, data.id),
  'storage_file.deleted': async (ctx, { data }) => {
    const [row] = await recordings.system.find(ctx, { file_id: data.id }, { limit: 1 })
    if (row) await ctx.as(row.customer_id).tx(tx => recordings.system.update(tx, row.id, { file_id: null, filesize: null }))
  },
}

/** More calls than an Asterisk or a customer can have at a time. */
const atMost = 100_000
const liveCalls = (ctx: Pick<Ctx, 'db'>, where: { customer_id: string } | { asterisk_id: string }): Promise<CallRow[]> =>
  calls.system.find(ctx, { ...where, status: liveStatuses }, { limit: atMost })

async function endCallsOf(ctx: Ctx, customer_id: string): Promise<void> {
  for (const row of await liveCalls(ctx, { customer_id }))
    await change(ctx.as(customer_id), row.id, async (tx, call) => (await hangup(tx, call, 'normal_clearing')).effects)
}

async function setHold(tx: CallTx, row: CallRow, hold: boolean): Promise<[]> {
  if (isLive(row.status) && row.hold !== hold) await tx.emit('call.updated', await calls.system.update(tx, row, { hold }))
  return []
}

/**
 * After a proxy has connected: calls whose channel is not among those alive have ended while nobody listened. Each shard brings its own part,
 * so that it is in line with the shard's other events.
 */
async function reconcile(ctx: Ctx, { data }: Parameters<CallConsumers['asterisk.channels_snapshot']>[1]): Promise<void> {
  const { asterisk_id, boot_id, channel_ids, taken, shard } = data
  const alive = new Set(channel_ids)
  const suspects = await ctx.tx(async tx => {
    const row = { id: asterisk_id, boot_id, connected: true, tm_update: stamp(tx.now()) }
    await tx.db
      .insert(asteriskTable)
      .values(row)
      .onDuplicateKeyUpdate({ set: { boot_id, connected: true, tm_update: row.tm_update } })
    const rows = await liveCalls(tx, { asterisk_id })
    return rows
      .filter(call => call.channel_id && shardOf(call.channel_id) === shard && !alive.has(call.channel_id) && call.tm_update < taken)
      .map(({ id, customer_id, channel_id }) => ({ id, customer_id, channel_id }))
  })
  for (const { id, customer_id, channel_id } of suspects) {
    ctx.log.warn('call ended unseen', { call_id: id, asterisk_id })
    await change(ctx.as(customer_id), id, async (tx, row) =>
      row.channel_id === channel_id ? channelEnded(tx, row, { q850: 41, sip_code: null }) : [],
    )
  }
}

import { change, tolerant } from './effects.ts'
import { answered, type Ctx } from './lifecycle.ts'
import { isLive } from './rules.ts'
import { type CallRow, calls, groupcalls } from './schema.ts'

/** The ringing a caller hears inside an answered call, while its destination rings. */
export const ringbackId = (groupcall_id: string): string => `ringback-${groupcall_id}`

/** Puts the leg that answered and the call it was dialled for into one bridge. */
export async function bridgeLeg(ctx: Ctx, groupcall_id: string, call_id: string): Promise<void> {
  const group = await groupcalls.system.get({ db: ctx.db }, groupcall_id)
  const leg = await calls.system.get({ db: ctx.db }, call_id)
  const master = group?.master_call_id ? await calls.system.get({ db: ctx.db }, group.master_call_id) : null
  if (!group || !leg || !master || !isLive(leg.status) || !isLive(master.status) || !onChannel(leg) || !onChannel(master)) return
  const { asterisk_id } = master
  await tolerant(ctx, ctx.call('stopPlayback', { asterisk_id, playback_id: ringbackId(group.id) }))
  if (master.status !== 'active') await tolerant(ctx, ctx.call('answerChannel', { asterisk_id, channel_id: master.channel_id }))
  await change(ctx, master.id, async (tx, row) => (await answered(tx, row)).effects)
  await ctx.call('createBridge', { asterisk_id, bridge_id: group.id, name: '' })
  for (const { channel_id } of [master, leg])
    await tolerant(ctx, ctx.call('addBridgeChannel', { asterisk_id, bridge_id: group.id, channel_id, mute: false }))
  for (const { id } of [master, leg]) {
    await change(ctx, id, async (tx, row) => {
      if (isLive(row.status)) await calls.system.update(tx, row, { bridge_id: group.id })
      return []
    })
  }
}

/** The two are apart again: the bridge goes, whoever is left stays in its flow. */
export async function clearBridge(ctx: Ctx, groupcall_id: string, call_id: string): Promise<void> {
  const leg = await calls.system.get({ db: ctx.db }, call_id)
  if (leg?.asterisk_id) await tolerant(ctx, ctx.call('deleteBridge', { asterisk_id: leg.asterisk_id, bridge_id: groupcall_id }))
}

export type OnChannel = CallRow & { asterisk_id: string; channel_id: string }
export const onChannel = (row: CallRow): row is OnChannel => row.asterisk_id !== null && row.channel_id !== null

import type { CallRecordingStart } from '@voipbin/generated/schemas'
import { isAppError, stamp } from '@voipbin/kernel'
import type { OnChannel } from './bridges.ts'
import { change, tolerant } from './effects.ts'
import { type CallTx, type Ctx, lockCall } from './lifecycle.ts'
import { durationOf, isLive } from './rules.ts'
import { type CallRow, calls, type RecordingRow, recordings } from './schema.ts'

type Options = Partial<CallRecordingStart> & { id?: string; activeflow_id?: string | null }

/** Starts recording a call; the same id again answers the one that is there. Throws CALL_RECORDING_ACTIVE when another one runs already. */
export async function startRecording(ctx: Ctx, call: OnChannel, options: Options): Promise<RecordingRow> {
  const {
    format = 'wav',
    end_of_silence = 0,
    end_of_key = 'none',
    duration = 0,
    beep_start = false,
    activeflow_id = call.activeflow_id,
  } = options
  const recording = await ctx.tx(async tx => {
    const row = await lockCall(tx, call.id)
    const known = options.id && (await recordings.get({ db: tx.db, customer_id: tx.customer_id }, options.id))
    if (known) return known
    if (!row || !isLive(row.status)) throw ctx.error('CALL_NOT_ACTIVE')
    if (row.recording_id) throw ctx.error('CALL_RECORDING_ACTIVE')
    const id = options.id ?? tx.newId()
    const values = {
      reference_type: 'call' as const,
      reference_id: row.id,
      call_id: row.id,
      activeflow_id,
      status: 'recording' as const,
      format,
      end_of_key,
    }
    const owner = { owner_type: row.owner_type, owner_id: row.owner_id, asterisk_id: row.asterisk_id }
    const made = await recordings.insert(tx, { id, ...values, ...owner, recording_name: `call-${id}`, tm_start: stamp(tx.now()) })
    const recorded = await calls.update(tx, row, { recording_id: id, recording_ids: [...row.recording_ids, id] })
    await tx.emit('recording.started', made)
    await tx.emit('call.updated', recorded)
    return made
  })
  const { asterisk_id, channel_id } = call
  const limits = { max_duration: duration, max_silence: end_of_silence, beep: beep_start, terminate_on: 'none' as const }
  try {
    await ctx.call('recordChannel', { asterisk_id, channel_id, name: recording.recording_name, format, ...limits })
  } catch (error) {
    if (!isAppError(error)) throw error
    await recordingOver(ctx, recording.recording_name, { failed: error.reason })
    throw error
  }
  return recording
}

/**
 * The recording that a digit ends. Asterisk cannot know: what it records listens to the call and hears no digits. The digit itself, a short tone, may be
 * the last of the recording.
 */
export async function endedByKey(tx: CallTx, call: CallRow, digit: string): Promise<string | null> {
  const recording = call.recording_id ? await recordings.system.get({ db: tx.db }, call.recording_id) : null
  if (recording?.status !== 'recording') return null
  return recording.end_of_key === 'any' || recording.end_of_key === digit ? recording.id : null
}

/** Asks for the end of the recording that runs; its file follows. False when nothing is recorded. */
export async function stopRecording(ctx: Ctx, call: Pick<CallRow, 'id' | 'recording_id'>): Promise<boolean> {
  const recording = call.recording_id ? await recordings.system.get({ db: ctx.db }, call.recording_id) : null
  if (!recording?.asterisk_id) return false
  await ctx.tx(async tx => {
    const row = await recordings.system.get({ db: tx.db }, recording.id)
    if (row?.status === 'recording') await recordings.system.update(tx, row, { status: 'stopping' })
  })
  await tolerant(ctx, ctx.call('stopRecording', { asterisk_id: recording.asterisk_id, name: recording.recording_name }))
  await freeCall(ctx, call.id, recording.id)
  return true
}

/** Asterisk says that a recording is over: its file goes to the storage, encrypted, and from there it can be downloaded. */
export async function recordingOver(ctx: Ctx, name: string, end: { duration: number } | { failed: string }): Promise<void> {
  const [found] = await recordings.system.find(ctx, { recording_name: name }, { limit: 1 })
  if (!found || found.status === 'ended' || found.status === 'failed') return
  const mine = ctx.as(found.customer_id)
  const file = 'failed' in end ? undefined : await store(mine, found)
  await mine.tx(async tx => {
    const [row] = await recordings.system.find(tx, { id: found.id }, { limit: 1, forUpdate: true })
    if (!row || row.status === 'ended' || row.status === 'failed') return
    const tm_end = stamp(tx.now())
    const over = file
      ? await recordings.update(tx, row, {
          status: 'ended',
          tm_end,
          duration: 'duration' in end ? end.duration : 0,
          filesize: file.filesize,
          file_id: file.id,
        })
      : await recordings.update(tx, row, { status: 'failed', tm_end, duration: 0, filesize: 0 })
    await tx.emit('recording.finished', over)
  })
  if (found.call_id) await freeCall(mine, found.call_id, found.id)
}

/** Recordings of a call that is over whose end nobody reported: their file is fetched all the same when it is there. */
export async function finishRecordings(ctx: Ctx, call_id: string): Promise<void> {
  const left = await recordings.system.find({ db: ctx.db }, { call_id, status: ['recording', 'stopping'] })
  const over = (await calls.system.get({ db: ctx.db }, call_id))?.tm_hangup ?? stamp(ctx.now())
  for (const { recording_name, tm_start } of left) {
    ctx.log.warn('recording ended unseen', { call_id, recording_name })
    await recordingOver(ctx, recording_name, { duration: durationOf(tm_start, over) })
  }
}

async function store(ctx: Ctx, row: RecordingRow) {
  if (!row.asterisk_id) return undefined
  const { id, asterisk_id, owner_type, owner_id } = row
  try {
    return await ctx.call('createFileFromRecording', {
      recording_id: id,
      asterisk_id,
      name: row.recording_name,
      filename: `${row.recording_name}.wav`,
      content_type: 'audio/wav',
      owner_type,
      owner_id,
    })
  } catch (error) {
    if (!isAppError(error) || error.status === 'UNAVAILABLE') throw error
    ctx.log.error('recording lost', { recording_id: id, asterisk_id, reason: error.reason })
    return undefined
  }
}

/** The call may be recorded again. */
const freeCall = (ctx: Ctx, call_id: string, recording_id: string): Promise<void> =>
  change(ctx, call_id, async (tx, row) => {
    if (row.recording_id !== recording_id) return []
    await tx.emit('call.updated', await calls.system.update(tx, row, { recording_id: null }))
    return []
  })

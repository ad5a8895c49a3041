import { createHash } from 'node:crypto'
import type { Calls } from '@voipbin/generated/rpc/calls'
import type { TtsEvents, TtsHandlers } from '@voipbin/generated/rpc/tts'
import type { Speech } from '@voipbin/generated/schemas'
import { type Context, isAppError, isDuplicate } from '@voipbin/kernel'
import { config } from './config.ts'
import { engineVersions, speak } from './engines.ts'
import { type SpeechRow, speeches } from './schema.ts'
import { chooseVoice, type Voice } from './voices.ts'
import { durationOf, rate, wavOf } from './wav.ts'

type Ctx = Context<Calls, TtsEvents>

/** How long a URL is made for, and what of it must be left when it is handed out: more than the longest call. Seconds. */
const urlLife_s = 86_400
const urlRest_s = 5 * 3_600
/** Bytes the storage takes at once. */
const partBytes = 1_048_576
/** What an engine that has nothing to say says: Asterisk plays no empty file. */
const silence = Buffer.alloc((rate / 10) * 2)

export const handlers: TtsHandlers = {
  createSpeech: async (ctx, { text, language, voice }) => {
    const chosen = chooseVoice(language, voice)
    if (!chosen)
      throw ctx.error('LANGUAGE_NOT_SUPPORTED', {
        details: [{ field: '/language', rule: 'language', expected: 'a language that a speech engine of this platform speaks' }],
      })
    const hash = await hashOf(ctx, text, chosen)
    const known = await find(ctx, hash)
    const usable = known && (await renewed(ctx, known))
    return usable ? view(usable, true) : view(await make(ctx, { text, hash, chosen, known }), false)
  },
}

const view = ({ file_id, media_uri, language, voice, engine, duration_ms }: SpeechRow, cached: boolean): Speech => ({
  file_id,
  media_uri,
  language,
  voice,
  engine,
  duration_ms,
  cached,
})

const runOptions = (ctx: Ctx) => ({ runner: config.of(ctx).SPEECH_RUNNER, signal: ctx.signal })

async function hashOf(ctx: Ctx, text: string, { engine, voice, language }: Voice): Promise<string> {
  const version = await engineVersions(runOptions(ctx))
  return createHash('sha256')
    .update(JSON.stringify([text, engine, voice, language, version]))
    .digest('hex')
}

async function find(ctx: Ctx, hash: string): Promise<SpeechRow | undefined> {
  const [row] = await speeches.system.find({ db: ctx.db }, { customer_id: ctx.customer_id, hash }, { limit: 1 })
  return row
}

/** The row with a URL that is good for long enough; nothing when its file is gone. */
async function renewed(ctx: Ctx, row: SpeechRow): Promise<SpeechRow | undefined> {
  if (!row.file_id) return undefined
  // Whoever moved the gateway to another address finds speech of before, whose URLs lead to the old one.
  const isHere = row.media_uri.startsWith(`${mediaBase(ctx)}/`)
  if (isHere && Date.parse(row.tm_expire) - ctx.now().getTime() > urlRest_s * 1_000) return row
  try {
    const url = await mediaUrl(ctx, row.file_id)
    return await ctx.tx(tx => speeches.update(tx, row.id, url))
  } catch (error) {
    if (isAppError(error) && error.reason === 'STORAGE_FILE_NOT_FOUND') return undefined
    throw error
  }
}

function mediaBase(ctx: Ctx): string {
  const { PUBLIC_URL, MEDIA_URL = PUBLIC_URL } = config.of(ctx)
  return MEDIA_URL.replace(/\/$/, '')
}

/** Where an Asterisk fetches a file; the gateway answers with its content type, from which Asterisk takes the format. */
async function mediaUrl(ctx: Ctx, file_id: string): Promise<Pick<SpeechRow, 'media_uri' | 'tm_expire'>> {
  const { uri, tm_expire } = await ctx.call('createDownloadUrl', { id: file_id, expire: urlLife_s })
  const { pathname, search } = new URL(uri)
  const path = pathname.slice(pathname.indexOf('/v1.0/'))
  return { media_uri: `${mediaBase(ctx)}${path}${search}`, tm_expire }
}

interface Order {
  text: string
  hash: string
  chosen: Voice
  known: SpeechRow | undefined
}

async function make(ctx: Ctx, { text, hash, chosen, known }: Order): Promise<SpeechRow> {
  const spoken = await speakOnce(ctx, { text, hash, chosen })
  const samples = spoken.length > 0 ? spoken : silence
  const file_id = await store(ctx, wavOf(samples))
  const made = { ...chosen, ...(await mediaUrl(ctx, file_id)), file_id, duration_ms: durationOf(samples) }
  try {
    return await ctx.tx(tx => (known ? speeches.update(tx, known.id, made) : speeches.insert(tx, { ...made, hash })))
  } catch (error) {
    const other = isDuplicate(error) ? await find(ctx, hash) : undefined
    if (!other) throw error
    // Somebody spoke the same at the same time, and was first.
    await ctx.call('deleteStorageFile', { id: file_id })
    return other
  }
}

const speaking = new Map<string, Promise<Buffer>>()

/** The engine runs once for all who ask for the same at the same time. */
function speakOnce(ctx: Ctx, { text, hash, chosen }: Omit<Order, 'known'>): Promise<Buffer> {
  const going = speaking.get(hash)
  if (going) return going
  const started = speak(text, chosen, runOptions(ctx)).finally(() => speaking.delete(hash))
  speaking.set(hash, started)
  return started
}

async function store(ctx: Ctx, wav: Buffer): Promise<string> {
  const about = { reference_type: 'speech' as const, reference_id: null, name: 'Speech', filename: 'speech.wav', content_type: 'audio/wav' }
  let id = ctx.newId()
  for (let offset = 0; offset < wav.length; offset += partBytes) {
    const part = wav.subarray(offset, offset + partBytes)
    // A repeated request is answered with the file of the first: its id counts.
    const file = await ctx.call('putFile', {
      ...about,
      id,
      offset,
      content: part.toString('base64'),
      last: offset + partBytes >= wav.length,
    })
    id = file.id
  }
  return id
}

import { type TtsConsumers, ttsContract } from '@voipbin/generated/rpc/tts'
import { defineService } from '@voipbin/kernel'
import { config } from './config.ts'
import { handlers } from './handlers.ts'
import { speeches } from './schema.ts'

const consumers: TtsConsumers = {
  'storage_file.deleted': async (ctx, { data }) => {
    if (data.reference_type !== 'speech') return
    const [row] = await speeches.system.find(ctx, { file_id: data.id }, { limit: 1 })
    if (row) await ctx.as(row.customer_id).tx(tx => speeches.update(tx, row.id, { file_id: null }))
  },
}

export default defineService(ttsContract, { handlers, consumers, config })

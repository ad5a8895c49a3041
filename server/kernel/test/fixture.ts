import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context, Tx } from '../src/context.ts'
import type { CallTable, Event } from '../src/contract.ts'
import type { ErrorTable } from '../src/errors.ts'
import type { Service } from '../src/service.ts'
import type { Validator } from '../src/validate.ts'

export const errors: ErrorTable = {
  ITEM_NOT_FOUND: { status: 'NOT_FOUND', message: 'There is no such item.' },
  NOTE_REFUSED: { status: 'FAILED_PRECONDITION', message: 'No note may be added.' },
}

const row = (
  method: 'GET' | 'POST' | 'PUT',
  route: string,
  input: Validator,
  options: { query?: string[]; timeout_ms?: number; reasons?: string[] } = {},
) => ({
  method,
  route,
  query: options.query ?? [],
  timeout_ms: options.timeout_ms ?? 30_000,
  input,
  errors: options.reasons ?? [],
})

const alphaMethods = {
  createItem: row(
    'POST',
    '/v1/items',
    z.strictObject({ id: z.string(), name: z.string().max(64), rest: z.strictObject({ a: z.number() }).optional() }),
  ),
  getItem: row('GET', '/v1/items/{id}', z.strictObject({ id: z.string() }), { reasons: ['ITEM_NOT_FOUND'] }),
  listItems: row('GET', '/v1/items', z.strictObject({ page_size: z.coerce.number().default(50), tags: z.array(z.string()).optional() }), {
    query: ['page_size', 'tags'],
  }),
  hitItem: row('POST', '/v1/items/{id}/hit', z.strictObject({ id: z.string(), times: z.number().default(1) })),
  noteItem: row('POST', '/v1/items/{id}/note', z.strictObject({ id: z.string(), text: z.string() }), { reasons: ['NOTE_REFUSED'] }),
  ringItem: row('POST', '/v1/items/{id}/ring', z.strictObject({ id: z.string(), after_ms: z.number() })),
  unringItem: row('POST', '/v1/items/{id}/unring', z.strictObject({ id: z.string() })),
  slowItem: row('GET', '/v1/slow', z.strictObject({ ms: z.coerce.number() }), { query: ['ms'] }),
  breakItem: row('GET', '/v1/break', z.strictObject({})),
  echo: row('POST', '/v1/echo', z.looseObject({})),
}
const betaMethods = {
  addNote: row('POST', '/v1/notes', z.strictObject({ item_id: z.string(), text: z.string() }), { reasons: ['NOTE_REFUSED'] }),
}

const tableOf = (
  service: string,
  methods: Record<string, { method: string; route: string; query: readonly string[]; timeout_ms: number }>,
) =>
  Object.entries(methods).map(([name, { method, route, query, timeout_ms }]) => [
    name,
    { method, route, query, timeout_ms, queue: `bin-manager.${service}.request` },
  ])

export const calls = Object.fromEntries([
  ...tableOf('alpha', alphaMethods),
  ...tableOf('beta', betaMethods),
  ['nobodyHome', { method: 'GET', route: '/v1/nobody', query: [], timeout_ms: 30_000, queue: 'bin-manager.nobody.request' }],
  ['alphaUnknown', { method: 'GET', route: '/v1/unknown', query: [], timeout_ms: 30_000, queue: 'bin-manager.alpha.request' }],
]) as CallTable

const event = { domain: 'alpha', resource: 'item', internal: false }
const customer_id = '0190a000-0000-7000-8000-000000000001'

type Input = Record<string, unknown>
const text = (value: unknown) => String(value)

const hit = async (tx: Tx, id: string, hits: number) => {
  await tx.db.execute(sql`UPDATE alpha_items SET hits = hits + 1 WHERE id = ${id}`)
  await tx.emit('item.hit', { id, customer_id, hits })
}

export const alpha: Service = {
  contract: {
    name: 'alpha',
    methods: alphaMethods as never,
    emits: { 'item.created': event, 'item.hit': event, 'item.rung': event } as never,
    consumes: {},
    calls,
  },
  consumers: {},
  resources: {
    item: {
      ownerOf: async (ctx, id) => {
        const [rows] = (await ctx.db.execute(sql`SELECT id FROM alpha_items WHERE id = ${id}`)) as unknown as [unknown[]]
        return rows.length > 0 ? customer_id : null
      },
    },
  },
  jobs: {},
  timers: {
    ring: async (ctx: Context, payload: unknown) => {
      const { id, key, due } = payload as { id: string; key: string; due: number }
      await ctx.tx(async tx => {
        await tx.db.execute(sql`INSERT INTO alpha_rung (timer_key, late_ms) VALUES (${key}, ${Date.now() - due})`)
        await tx.emit('item.rung', { id, customer_id })
      })
    },
  },
  handlers: {
    createItem: async (ctx, input) => {
      const { id, name } = input as Input
      return ctx.tx(async tx => {
        await tx.db.execute(sql`INSERT INTO alpha_items (id, name) VALUES (${id}, ${name})`)
        await tx.emit('item.created', { id, customer_id, name })
        return { id, name, by: tx.actor.id }
      })
    },
    getItem: async (ctx, input) => {
      const { id } = input as Input
      const [rows] = (await ctx.db.execute(sql`SELECT * FROM alpha_items WHERE id = ${id}`)) as unknown as [unknown[]]
      if (!rows[0]) throw ctx.error('ITEM_NOT_FOUND', { message: `no item ${text(id)}` })
      return rows[0]
    },
    listItems: async (_ctx, input) => input,
    hitItem: async (ctx, input) => {
      const { id, times } = input as { id: string; times: number }
      const done: number[] = []
      for (let i = 0; i < times; i++) {
        done.push(
          await ctx.tx(async tx => {
            await hit(tx, id, i)
            return i
          }),
        )
      }
      return { done }
    },
    noteItem: async (ctx, input) => {
      const { id, text } = input as { id: string; text: string }
      await ctx.tx(async tx => hit(tx, id, 0))
      const note = await ctx.call('addNote', { item_id: id, text })
      await ctx.tx(async tx => hit(tx, id, 1))
      return note
    },
    ringItem: async (ctx, input) => {
      const { id, after_ms } = input as { id: string; after_ms: number }
      const due = Date.now() + after_ms
      await ctx.tx(tx => tx.setTimer('ring', { key: `ring:${id}`, at: new Date(due), payload: { id, key: `ring:${id}`, due } }))
      return {}
    },
    unringItem: async (ctx, input) => {
      await ctx.tx(tx => tx.cancelTimer(`ring:${text((input as Input).id)}`))
      return {}
    },
    slowItem: async (ctx, input) => {
      await new Promise(resolve => setTimeout(resolve, (input as { ms: number }).ms))
      return { left_ms: ctx.deadline - Date.now() }
    },
    breakItem: async () => {
      throw new Error('a secret detail')
    },
    echo: async (ctx, input) => ({
      ...input,
      caller: {
        customer_id: ctx.customer_id,
        agent_id: ctx.agent_id,
        request_id: ctx.request_id,
        actor: ctx.actor,
        permissions: ctx.permissions,
        locale: ctx.locale,
      },
    }),
  },
}

/** What the fixture's consumer does with an event besides writing it down; tests put their own in. */
export const onHeard: { hook: (ctx: Context, event: Event) => Promise<void> } = { hook: async () => undefined }

const heard = async (ctx: Context, event: Event) => {
  await onHeard.hook(ctx, event)
  await ctx.tx(async tx => {
    const { event_id, event_type, resource_id, resource_seq } = event
    await tx.db.execute(
      sql`INSERT INTO beta_heard (event_id, event_type, resource_id, resource_seq) VALUES (${event_id}, ${event_type}, ${resource_id}, ${resource_seq})`,
    )
  })
}

export const beta: Service = {
  contract: {
    name: 'beta',
    methods: betaMethods as never,
    emits: {},
    consumes: { 'item.created': 'alpha', 'item.hit': 'alpha', 'item.rung': 'alpha' } as never,
    calls,
  },
  consumers: { 'item.created': heard, 'item.hit': heard, 'item.rung': heard },
  resources: {},
  jobs: {},
  timers: {},
  handlers: {
    addNote: async (ctx, input) => {
      const { item_id, text } = input as { item_id: string; text: string }
      if (text === 'refused') throw ctx.error('NOTE_REFUSED', { details: [{ field: '/text', rule: 'const' }] })
      return ctx.tx(async tx => {
        await tx.db.execute(sql`INSERT INTO beta_notes (item_id, text) VALUES (${item_id}, ${text})`)
        return { item_id, text }
      })
    },
  },
}

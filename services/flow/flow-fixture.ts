import { callContract } from '@voipbin/generated/rpc/call'
import type { Calls } from '@voipbin/generated/rpc/calls'
import { webhookContract } from '@voipbin/generated/rpc/webhook'
import type { Action, ActionResult, Activeflow, CallActionStarted } from '@voipbin/generated/schemas'
import type { Context, In, Out, Service } from '@voipbin/kernel'
import { standIn } from '../test-app.ts'

export interface Started {
  activeflow_id: string
  action_run_id: string
  action: Action
}

/** A call that does what it is told at once or, for `talk`, `play`, `connect` and `digits_receive`, when the test says so. */
export class FakeCalls {
  /** Each execution once, however often it was asked for. */
  readonly started = new Map<string, Started>()
  readonly hungup: string[] = []
  readonly over = new Set<string>()
  /** Requests that fail before one works. */
  failures = 0
  /** Ends actions that would wait. */
  instantly: ((started: Started) => ActionResult | undefined) | undefined

  reset(): void {
    this.started.clear()
    this.hungup.length = 0
    this.failures = 0
    this.instantly = undefined
  }

  get service(): Service {
    return standIn<'runCallAction' | 'getCall' | 'hangupCall'>(callContract, {
      runCallAction: async (ctx: Context, { id, ...started }: In<Calls, 'runCallAction'>) => this.#run(ctx, id, started),
      getCall: async (_ctx: Context, { id }: { id: string }) => this.#call(id),
      hangupCall: async (_ctx: Context, { id }: { id: string }) => {
        this.hungup.push(id)
        return this.#call(id)
      },
    })
  }

  #call(id: string) {
    return { id, status: this.over.has(id) ? 'completed' : 'active' } as Out<Calls, 'getCall'>
  }

  async #run(ctx: Context, id: string, started: Started): Promise<CallActionStarted> {
    if (this.failures > 0) {
      this.failures--
      throw ctx.error('UNAVAILABLE')
    }
    this.started.set(started.action_run_id, started)
    if (this.over.has(id)) return { done: true, result: { outcome: 'skipped', detail: 'the call is over' } }
    const result = this.instantly?.(started)
    if (result) return { done: true, result }
    return ['talk', 'play', 'connect', 'digits_receive'].includes(started.action.type)
      ? { done: false, result: null }
      : { done: true, result: { outcome: 'ok' } }
  }
}

export class FakeWebhooks {
  readonly sent: In<Calls, 'sendActiveflowWebhook'>[] = []
  answer: { status_code: number | null; body: string } = { status_code: 200, body: 'thanks' }

  get service(): Service {
    return standIn<'sendActiveflowWebhook'>(webhookContract, {
      sendActiveflowWebhook: async (ctx: Context, input: In<Calls, 'sendActiveflowWebhook'>) => {
        this.sent.push(input)
        return { delivery_id: ctx.newId(), ...this.answer }
      },
    })
  }
}

export const answer: Action = { type: 'answer', option: {} }
export const talk = (text = 'hello'): Action => ({ type: 'talk', option: { text, language: 'en-US' } })
export const hook = (sync: boolean, data = ''): Action => ({
  type: 'webhook_send',
  option: { uri: 'https://example.com/', method: 'POST', data_type: 'application/json', data, sync },
})
export const digits: Action = { type: 'digits_receive', option: { duration: 1000, length: 1, key: '' } }
export const hangup: Action = { type: 'hangup', option: { reason: 'normal_clearing' } }

/** What a run has done, one word each for action and outcome. */
export const trace = (run: Activeflow) => run.executed_actions.map(({ type, result }) => `${type} ${result?.outcome ?? 'runs'}`)

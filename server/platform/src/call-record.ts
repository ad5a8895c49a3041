// What the platform itself says about the self-test's call, over REST with the access key of its customer.

import { setTimeout as delay } from 'node:timers/promises'
import type { VoIPBIN } from '@voipbin/sdk'

type Call = Awaited<ReturnType<VoIPBIN['calls']['get']>>
type Activeflow = Awaited<ReturnType<VoIPBIN['activeflows']['get']>>
type Billing = Awaited<ReturnType<VoIPBIN['billings']['get']>>

export interface CallRecord {
  id: string
  /** Milliseconds from the creation of the row. */
  states: { status: string; at_ms: number }[]
  hangup_by: string | null
  hangup_cause: string | null
  /** Actions of the flow, in the order they ran. */
  actions: string[]
  digits: string
  /** Of the ledger row, in millionths of a US dollar. */
  charged: number
}

const PATIENCE_MS = 10_000

/** Waits until call, flow and ledger are through, and checks that they say what happened. */
export async function callRecord(client: VoIPBIN, caller: string, digit: string): Promise<CallRecord> {
  const call = await until(
    () => lastCall(client, caller),
    row => row?.status === 'completed',
    row => callWords(row),
  )
  if (!call) throw new Error('unreachable')
  const [run] = (await client.activeflows.list({ call_id: call.id })).result
  const billing = await until(
    () => ledgerRow(client, call.id),
    row => row?.status === 'finished',
    row => `the ledger row of the call is ${row?.status ?? 'missing'}`,
  )
  const record = {
    id: call.id,
    states: statesOf(call),
    hangup_by: call.hangup_by,
    hangup_cause: call.hangup_cause,
    actions: run?.executed_actions.map(action => action.type) ?? [],
    digits: run?.executed_actions.map(action => action.result?.digits ?? '').join('') ?? '',
    charged: billing?.amount ?? 0,
  }
  const wrong = problemOf(record, digit)
  if (wrong !== undefined) throw new Error(`${wrong} (${callWords(call)}${flowWords(run)})`)
  return record
}

function problemOf(record: CallRecord, digit: string): string | undefined {
  const states = record.states.map(state => state.status).join(' → ')
  if (states !== 'initiating → ringing → active → completed') return `the call passed ${states}`
  if (record.hangup_cause !== 'normal_clearing') return `the call ended with ${record.hangup_cause}`
  if (record.digits !== digit) return `the flow took the digits "${record.digits}", the carrier pressed ${digit}`
  if (record.charged >= 0) return 'the call was not charged'
  return undefined
}

/** What is known of a call that went wrong, in words. Never rejects: it only helps to say why. */
export async function callTrace(client: VoIPBIN, caller: string): Promise<string> {
  try {
    const call = await lastCall(client, caller)
    const [run] = call ? (await client.activeflows.list({ call_id: call.id })).result : []
    return `${callWords(call)}${flowWords(run)}`
  } catch (error) {
    return `the API cannot tell: ${error instanceof Error ? error.message : error}`
  }
}

async function lastCall(client: VoIPBIN, caller: string): Promise<Call | undefined> {
  const { result } = await client.calls.list({ source_target: caller, page_size: 1 })
  return result[0]
}

async function ledgerRow(client: VoIPBIN, call_id: string): Promise<Billing | undefined> {
  const { result } = await client.billings.list({ reference_type: 'call', reference_id: call_id })
  return result[0]
}

async function until<T>(look: () => Promise<T>, isGood: (found: T) => boolean, words: (found: T) => string): Promise<T> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const found = await look()
    if (isGood(found)) return found
    if (Date.now() > end) throw new Error(words(found))
    await delay(50)
  }
}

function statesOf(call: Call): CallRecord['states'] {
  const steps = { initiating: call.tm_create, ringing: call.tm_ringing, active: call.tm_answer, completed: call.tm_hangup }
  return Object.entries(steps).flatMap(([status, time]) => (time ? [{ status, at_ms: Date.parse(time) - Date.parse(call.tm_create) }] : []))
}

function callWords(call: Call | undefined): string {
  if (!call) return 'the call service has no such call'
  return `call ${call.id} is ${call.status}${call.hangup_cause ? `, ${call.hangup_cause}` : ''}`
}

function flowWords(run: Activeflow | undefined): string {
  if (!run) return '; no flow ran on it'
  const actions = run.executed_actions.map(
    ({ type, result }) => `${type} ${result?.outcome ?? 'runs'}${result?.detail ? ` (${result.detail})` : ''}`,
  )
  return `; its flow: ${actions.join(', ') || 'nothing yet'}`
}

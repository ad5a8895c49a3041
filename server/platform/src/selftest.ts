// Real calls through everything: SIPp as a carrier → Kamailio → RTPEngine → Asterisk → asterisk-proxy → call → flow, which answers, speaks, takes a
// digit and hangs up; then the same calls as the gateway tells them.
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { VoIPBIN } from '@voipbin/sdk'
import { withAccessKey } from './api.ts'
import { type CallRecord, callRecord, callTrace } from './call-record.ts'
import { type CallPlan, type CarrierEvidence, carrierCall } from './carrier-call.ts'
import { ownProcesses } from './own-processes.ts'
import { dispatcherProbe, kamailioProbe, type Probe } from './probes.ts'
import { serverProcesses } from './processes.ts'
import type { SelfTestAccount } from './seed.ts'
import { asteriskName, kamailioName, type Setup } from './setup.ts'

/** What one call showed: at the carrier, and over REST. */
export interface CallEvidence extends CarrierEvidence {
  edge: string
  number: string
  call: CallRecord
}

/** The self-test failed; `broken` names the processes that do not answer, when that is the cause. */
export class SelfTestError extends Error {
  readonly broken: readonly string[]
  constructor(message: string, broken: readonly string[]) {
    super(message)
    this.broken = broken
  }
}

/** Calls once through each Asterisk, by way of each edge. Rejects with {@link SelfTestError}. Takes about 4 s. */
export async function selfTest(setup: Setup, account: SelfTestAccount, api_url: string): Promise<CallEvidence[]> {
  const asterisks = setup.ports.asteriskCall.map((_, n) => asteriskName(n))
  const broken = await brokenProcesses(setup)
  if (broken.length > 0) throw failure('the parts of a call do not all answer', broken)
  const client = withAccessKey(api_url, account.accesskey)
  const token = setup.secrets.kamailio_control_token
  try {
    for (const { rpc } of setup.ports.kamailio) await eventually(dispatcherProbe({ port: rpc, token }, asterisks.length))
    // at once: round robin gives each Asterisk one
    const plans = setup.ports.kamailio.flatMap((_, edge) => asterisks.map((_, n) => ({ edge, index: edge * asterisks.length + n })))
    const calls = await Promise.all(plans.map(plan => oneCall(setup, client, { ...plan, number: account.number, caller: newCaller() })))
    const missed = asterisks.filter(name => !calls.some(call => call.asterisk === name))
    if (missed.length > 0) throw new Error(`no call reached ${missed.join(', ')}: ${calls.map(call => call.asterisk).join(', ')} answered`)
    return calls
  } catch (error) {
    throw failure(error instanceof Error ? error.message : String(error), await brokenProcesses(setup))
  }
}

/** Every call has a caller of its own. */
const newCaller = (): string => `+1303555${String(randomInt(10_000)).padStart(4, '0')}`

async function oneCall(setup: Setup, client: VoIPBIN, plan: CallPlan): Promise<CallEvidence> {
  try {
    const carrier = await carrierCall(setup, plan)
    const call = await callRecord(client, plan.caller, carrier.digit)
    return { ...carrier, edge: kamailioName(plan.edge), number: plan.number, call }
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n    ${await callTrace(client, plan.caller)}`)
  }
}

function failure(reason: string, broken: readonly { name: string; problem: string }[]): SelfTestError {
  const named = broken.map(b => `    ${b.name}: ${b.problem}`)
  const hint = broken.length > 0 ? `  See: npm run logs ${broken[0]?.name}` : '  See: npm run doctor, npm run logs'
  return new SelfTestError(
    [`Self-test call failed: ${reason}`, ...named, hint].join('\n'),
    broken.map(b => b.name),
  )
}

/** Which processes do not answer right now: servers first, because what needs them does not answer either. */
async function brokenProcesses(setup: Setup): Promise<{ name: string; problem: string }[]> {
  const token = setup.secrets.kamailio_control_token
  const edges = new Map(setup.ports.kamailio.map((own, n) => [kamailioName(n), kamailioProbe({ port: own.rpc, token })]))
  const parts: [name: string, probe: Probe][] = [...serverProcesses(setup), ...ownProcesses(setup)].map(({ name, ready }) => [
    name,
    // an edge whose Asterisks are away is not broken itself
    edges.get(name) ?? ready,
  ])
  const results = await Promise.all(
    parts.map(([name, probe]) =>
      probe().then(
        () => [],
        (error: unknown) => [{ name, problem: error instanceof Error ? error.message : String(error) }],
      ),
    ),
  )
  return results.flat()
}

/** Retries a probe for up to twenty seconds: the edge pings its media servers every two, and on a busy machine some pings come late. */
async function eventually(probe: Probe): Promise<void> {
  const end = Date.now() + 20_000
  for (;;) {
    try {
      return await probe()
    } catch (error) {
      if (Date.now() > end) throw error
      await delay(100)
    }
  }
}

/** The evidence as lines for people. */
export function evidenceLines(calls: readonly CallEvidence[]): string[] {
  return calls.flatMap(({ call, rtpengine, speech, ...c }) => [
    `    carrier → ${c.edge} → rtpengine → ${c.asterisk} → ${c.number}: SIP 200 after ${c.answer_ms} ms, ${c.codec}`,
    `      RTP ${c.sent} packets sent (${rtpengine.from_carrier} at rtpengine), ${c.received} heard; speech ${speech.seconds.toFixed(1)} s at ${speech.level_db} dB; digit ${call.digits} taken`,
    `      call ${call.id}: ${call.states.map(state => `${state.status} ${state.at_ms} ms`).join(' → ')}, ${call.hangup_cause}`,
    `      flow ${call.actions.join(' → ')}; ledger ${(call.charged / 1e6).toFixed(2)} USD`,
  ])
}

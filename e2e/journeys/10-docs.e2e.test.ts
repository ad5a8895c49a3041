import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { moduleName, type Sample, samples, writeFiles } from '../../docs/samples.ts'
import { until } from '../../voip/testing/wait.ts'
import { addCarrier, type Carrier, type CarrierLeg, carrierAnswers } from '../support/carrier.ts'
import { runInPage } from '../support/page-program.ts'
import { clientOf, extensionOf, operatorClient, platform } from '../support/platform.ts'
import { Program } from '../support/program.ts'
import { Receiver } from '../support/receiver.ts'

// Every sample of the pages for those who build on the platform runs as it stands; only what `values` names is replaced.

const state = platform()
const api = clientOf(state, state.demo)
const origin = new URL(state.api_url).origin
const [EXTENSION, NUMBER] = ['1001', '+15559990001']
/** Call and recording of the samples. */
const [CALL, RECORDING] = ['01980a4e-5d00-7a11-8c3e-1f2a3b4c5d02', '01980a4e-5d00-7a11-8c3e-1f2a3b4c5d03']

/** A sample that ends by itself is its output; one that does not is ended when it has printed this. */
interface Listens {
  until: RegExp
}
type Expected = RegExp | Listens

/**
 * What each sample of each page prints, in the order of the page: one that is not here, or only here, fails.
 * Marked ones (`run=…`) are run by the tests of `docs/`, those of `cli.md` by journey 9, those of the README by journey 8.
 */
const pages: Readonly<Record<string, readonly Expected[]>> = {
  // First: what other pages do to the demo number is no matter here.
  'softphone.md': [/^ringing\nactive\nheld\nended\nnormal_clearing \w+ [\d.]+\n$/],
  'quickstart.md': [
    /^$/,
    /^\{"id":"[0-9a-f-]{36}".*"status":"initiating"/,
    /^\{"id":"[^}]*"status":"[\s\S]*\{"id":"/,
    /^[0-9a-f-]{36} initiating\n[0-9a-f-]{36} \w+ \w+\n/,
    { until: /\d+ call\.created [0-9a-f-]{36}\n[\s\S]*over \w+ \d+ s\n/ },
  ],
  'authentication.md': [/^\{"result":\[/, /"token":"ak_\w+"/, /^ak_\w+\n$/, /"permissions":\["customer_admin"\]/],
  'calls.md': [/^[0-9a-f-]{36} initiating\n$/, /^$/, /^\{.*"uri":"http/],
  'flows.md': [/^$/],
  'webhooks.md': [/^whsec_\S+\n$/, /^\{"result":\[/, /^(?:pending|running) \d+\n$/],
  'websocket.md': [],
  'errors.md': [/^that call is gone\n$/],
  'idempotency-and-retries.md': [/^$/],
  'http.md': [],
  'sdk.md': [
    /^demo@voipbin\.example\n$/,
    /^\[ 'customer_admin' \]\n$/,
    /^$/,
    /^[0-9a-f-]{36} \w+\n[\s\S]*\d+ \n$/,
    /^gone CALL_NOT_FOUND\n$/,
    /^no such flow\n$/,
    /^$/,
    /^completed \d+ \S+\n$/,
    { until: /^connecting\nopen\n[\s\S]*\d+ call\.created [0-9a-f-]{36}\n[\s\S]*over \w+ \d+ s\n/ },
  ],
  'compatibility.md': [],
}

/** Pages whose samples are run by others, or are for those who change the platform. */
const elsewhere: Readonly<Record<string, string>> = {
  'cli.md': 'journey 9 and the test of the command',
  'add-a-resource.md': 'commands that write into the repository',
}

const runnable = samples().filter(({ language, marks }) => ['sh', 'ts'].includes(language) && !('run' in marks) && !('excerpt' in marks))
const shown = runnable.filter(({ page }) => page in pages)
/** What stands in a sample, and what it is on this platform. */
const values = new Map<string, string>()
/** Variables that the pages leave to the reader. */
const env: Record<string, string> = {
  VOIPBIN_ACCESS_KEY: state.demo.accesskey,
  VOIPBIN_BASE_URL: state.api_url,
  VOIPBIN_USERNAME: state.demo.username,
  VOIPBIN_PASSWORD: state.demo.password,
}
let folder = ''
let receiver: Receiver
let carrier: Carrier
const legs: CarrierLeg[] = []
const undo: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'voipbin-10-'))
  receiver = await Receiver.start()
  const phone = extensionOf(state.demo, EXTENSION)
  const route = { customer_id: state.demo.customer_id, target: NUMBER, priority: 1 }
  carrier = await addCarrier(state, await operatorClient(state), { name: 'Docs', ip: '127.0.0.46', route })
  for (const [text, value] of [
    ['.voipbin/state.json', state.file],
    ['ws://127.0.0.1:8080/ws', state.ws_url],
    ['http://127.0.0.1:8080', origin],
    ['+12025550100', state.demo.number],
    ['https://example.com/voipbin', `${receiver.url}/voipbin`],
    ['https://acme.example/music.wav', `${receiver.url}/music.wav`],
    ['01980….registrar.voipbin.test', phone.domain],
    ["'secret'", `'${phone.password}'`],
    ['wss://host:5443/', state.sip.ws_url],
  ] as const)
    values.set(text, value)
  const [number] = (await api.numbers.list({ page_size: 1 })).result
  if (!number) throw new Error('the demo customer has no number')
  await keepOnlyWhatIsThere()
  undo.unshift(() => api.numbers.update(number.id, { call_flow_id: number.call_flow_id }))
})
afterAll(async () => {
  for (const step of undo) await step()
  for (const leg of legs) await leg.close()
  await carrier?.remove()
  await receiver?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A call that a carrier has answered and that stays up. Made for the first sample that needs it: those before take as long as they take. */
async function answeredCall(): Promise<string> {
  legs.push(await carrierAnswers(carrier, 'uas-answer', { WAIT_MS: 600_000 }))
  const actions = [{ type: 'sleep' as const, option: { duration: 600_000 } }]
  const destinations = [{ type: 'tel' as const, target: NUMBER }]
  const { id } = await api.calls.create({ source: { type: 'tel', target: state.demo.number }, destinations, actions })
  await until('the carrier answers', async () => (await api.calls.get(id)).status === 'active')
  return id
}

/** Afterwards what the samples made is gone. */
async function keepOnlyWhatIsThere(): Promise<void> {
  for (const resource of [api.accesskeys, api.webhooks, api.flows]) {
    const ids = async () => (await resource.list({ page_size: 50 })).result.map(({ id }) => id)
    const before = await ids()
    undo.push(async () => {
      for (const id of await ids()) if (!before.includes(id)) await resource.delete(id)
    })
  }
}

/** A call that nobody takes, so that listeners have something to tell. */
async function passingCall(): Promise<void> {
  const destinations = [{ type: 'extension' as const, target: '1002' }]
  await api.calls.create({ source: { type: 'tel', target: state.demo.number }, destinations })
}

const filledIn = (text: string): string => [...values].reduce((filled, [from, to]) => filled.replaceAll(from, to), text)

/** The quickstart's first lines, which every page's commands stand on; `AUTH` as authentication.md says. */
const commonLines = (): string => `${shown.find(({ page }) => page === 'quickstart.md')?.text}AUTH=$(state auth_url)\n`

async function run(sample: Sample, expected: Expected): Promise<string> {
  if (sample.page === 'softphone.md') return runInPage(fileOf(sample), 120_000)
  const program = sample.language === 'sh' ? shell(sample) : typescript(sample)
  return expected instanceof RegExp ? program.output(120_000) : program.outputUntil(expected.until, passingCall, 120_000)
}

function shell({ text }: Sample): Program {
  const root = join(import.meta.dirname, '../..')
  const before = text.startsWith('state()') ? '' : commonLines()
  // so that a refusal fails
  return new Program('sh', ['-euc', `curl() { command curl --fail-with-body "$@"; }\n${filledIn(before + text)}`], { cwd: root, env })
}

/** Within docs/, where the packages of the repository are found; it runs in a folder of its own. */
const fileOf = (sample: Sample): string => {
  const { folder: place, files } = writeFiles('journey', new Map([[moduleName(sample), filledIn(sample.text)]]))
  return join(place, files[0] ?? '')
}
const typescript = (sample: Sample): Program => new Program(process.execPath, [fileOf(sample)], { cwd: folder, env })

/** Ids that a sample needs: `$ID` is the newest call, or recording where it is about one; by then it is stored. */
async function chooseIds({ text }: Sample): Promise<void> {
  if (text.includes(CALL) && !values.has(CALL)) values.set(CALL, await answeredCall())
  const [call] = (await api.calls.list({ page_size: 1 })).result
  env.ID = call?.id ?? ''
  if (!/recordings(?:\/|\.getFile)/.test(text)) return
  const newest = async () => (await api.recordings.list({ page_size: 1 })).result[0]
  const recording = await until('a recording', async () => (await newest())?.status === 'ended' && newest())
  env.ID = recording.id
  values.set(RECORDING, recording.id)
}

test('no page is forgotten', () => {
  expect([...new Set(runnable.map(({ page }) => page))].filter(page => !(page in pages) && !(page in elsewhere))).toEqual([])
})

describe.each(Object.keys(pages))('%s', page => {
  const expected = pages[page] ?? []
  const here = shown.filter(sample => sample.page === page)
  test(`has ${expected.length} samples to run`, () => expect(here).toHaveLength(expected.length))
  test.each(here.map((sample, index) => ({ line: sample.line, sample, wants: expected[index] ?? /^$/ })))(
    'line $line',
    async ({ sample, wants }) => {
      await chooseIds(sample)
      const said = await run(sample, wants)
      expect(said).toMatch(wants instanceof RegExp ? wants : wants.until)
    },
  )
})

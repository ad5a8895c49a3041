import { spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { level, resemblance } from '../../voip/testing/audio.ts'
import { until } from '../../voip/testing/wait.ts'
import { BrowserPhone } from '../support/browser-phone.ts'
import { platform } from '../support/platform.ts'
import { Recorder } from '../support/recorder.ts'
import { SPOKEN, spoken } from '../support/speech.ts'

// What the README tells a newcomer to copy is run as it stands; only the port may differ.

const state = platform()
const root = join(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
let recorder: Recorder
let phone: BrowserPhone

beforeAll(async () => {
  recorder = await Recorder.start(state)
  phone = await BrowserPhone.open({ state, account: state.demo, extension: '1001', tone_hz: 480 })
  await phone.ready()
})
afterAll(async () => {
  await phone?.close()
  await recorder?.stop()
})

/** The first code block of a language that holds `text`, with the address of the platform under test. */
function sample(language: string, text: string): string {
  const blocks = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, tag, code]) => tag === language && code?.includes(text))
  const code = blocks[0]?.[2]
  if (code === undefined) throw new Error(`README.md has no ${language} block with ${text}`)
  return code.replaceAll(/http:\/\/(127\.0\.0\.1|localhost):8080/g, new URL(state.api_url).origin)
}

/** Runs a command as a newcomer would, with the access key in KEY. Rejects with what it said when it fails. */
function run(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, KEY: state.demo.accesskey } })
  let out = ''
  let said = ''
  child.stdout.on('data', data => {
    out += data
  })
  child.stderr.on('data', data => {
    said += data
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => (code === 0 ? resolve(out) : reject(new Error(`${command} ended with ${code}: ${said}${out}`))))
  })
}

/** Answers, hears the greeting, sees the end. */
async function takeCall(call_id: string): Promise<void> {
  await phone.answer()
  const greeting = await spoken('Hello from VoIPBIN.')
  await recorder.event('call.hungup', ({ resource_id }) => resource_id === call_id)
  const heard = await phone.heardSoFar()
  const match = resemblance(heard, greeting)
  const other = resemblance(heard, await spoken('Good morning, everybody.'))
  console.info({ heard_db: level(heard), match, other })
  expect(match).toBeGreaterThan(SPOKEN)
  expect(other).toBeLessThan(SPOKEN)
  await phone.page.getByTestId('last-call').waitFor()
}

test('the call by curl rings the softphone, which hears the greeting', async () => {
  const code = sample('sh', 'curl').replace(/^export KEY=.*\n/m, '')
  const made = JSON.parse(await run('sh', ['-ec', code.replace('curl ', 'curl -sS --fail-with-body ')])) as { id: string; status: string }
  expect(made.status).toBe('initiating')
  await takeCall(made.id)
})

test('the call by the SDK does the same', async () => {
  // in the checkout, as the README says: packages are found from there
  const file = join(root, `e2e/first-call-${process.pid}.ts`)
  writeFileSync(file, sample('ts', "from '@voipbin/sdk'"))
  try {
    const out = await run(process.execPath, [file])
    const [, id = ''] = /([0-9a-f-]{36}) initiating/.exec(out) ?? []
    expect(out).toMatch(/^[0-9a-f-]{36} initiating\n$/)
    await takeCall(id)
  } finally {
    rmSync(file, { force: true })
  }
})

test('the commands of the table exist', async () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  const named = [...readme.matchAll(/`npm (?:run )?([a-z]+)/g)].map(([, name = '']) => name)
  expect(named.length).toBeGreaterThan(4)
  expect(named.filter(name => scripts[name] === undefined)).toEqual([])
  const urls = [...readme.matchAll(/`http:\/\/127\.0\.0\.1:8080(\/[^`]*)`|and `(\/[a-z.]+json)`/g)].map(([, one, two]) => one ?? two ?? '')
  for (const path of urls) await until(path, async () => (await fetch(new URL(path, state.api_url))).status === 200)
})

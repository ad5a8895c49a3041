// The three examples that `npm start` prints, run as they stand against the tests' platform.
import { readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { expect, it } from 'vitest'
import { withAccessKey } from './api.ts'
import { run } from './chroot.ts'
import { ROOT } from './paths.ts'
import { stateSchema } from './state.ts'
import { examples } from './summary.ts'

const shell = (command: string) => run(['sh', '-c', `cd '${ROOT}' && PATH='${ROOT}/node_modules/.bin':$PATH && ${command}`])

it('the link signs in, curl rings that phone, it answers, and the SDK lists the call', async () => {
  const state = stateSchema.parse(JSON.parse(readFileSync(process.env.VOIPBIN_STATE ?? 'VOIPBIN_STATE is not set', 'utf8')))
  if (!state.demo) throw new Error('the platform is not seeded')
  const { browser: link, curl, sdk } = examples(state, state.demo)
  const browser = await chromium.launch({
    executablePath: process.env.VOIPBIN_CHROMIUM ?? 'VOIPBIN_CHROMIUM is not set',
    args: ['--no-sandbox', '--disable-gpu', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'],
  })
  try {
    const page = await browser.newPage()
    await page.goto(link)
    expect(page.url()).toBe(state.softphone_url)
    await page.getByTestId('sign-in').click()
    await page.locator('[data-testid=registration][data-state=registered]').waitFor()
    await page.locator('[data-testid=realtime][data-state=open]').waitFor()

    const made = JSON.parse((await shell(curl)).stdout) as { id: string }
    await page.getByTestId('answer').click()
    // the platform says its sentence and hangs up
    await page.getByTestId('last-call').waitFor()
    const listed = await shell(sdk)
    expect(listed.stdout).toMatch(/^\S+Z \+12025550100 1001 completed$/m)
    const call = await withAccessKey(state.api_url, state.demo.accesskey).calls.get(made.id)
    expect(call).toMatchObject({ hangup_by: 'local', hangup_cause: 'normal_clearing', tm_answer: expect.any(String) })
  } finally {
    await browser.close()
  }
})

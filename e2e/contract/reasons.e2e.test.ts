import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../voip/testing/wait.ts'
import { addCarrier, carrierAnswers } from '../support/carrier.ts'
import { operatorClient, platform } from '../support/platform.ts'
import type { Operation } from './document.ts'
import { bought, general, headersFor, type Stage, setStage } from './general-reasons.ts'
import { type Say, sayOn, scripts, talkingScript } from './own-reasons.ts'
import { askWith, referencesOf } from './references.ts'
import { unknown } from './rows.ts'
import { unseen } from './unseen-reasons.ts'
import { findings, World } from './world.ts'

// When this file is through, the gateway of the running platform has answered every reason that the contract declares, from every operation that
// declares it. What was answered is read from the answers (`World.refusals`): a script that provokes nothing proves nothing.

let stage: Stage
let say: Say
beforeAll(async () => {
  const world = await World.open()
  stage = await setStage(world)
  say = sayOn(stage)
})

const declaring = (reason: string): Operation[] => stage.world.operations.filter(({ reasons }) => reasons.has(reason))

describe('reasons that have nothing to do with what is asked', () => {
  test.each(Object.keys(general))('%s', async reason => {
    const work = async (operation: Operation): Promise<undefined> => general[reason]?.(operation, stage) as Promise<undefined>
    // Each of these waits for ten seconds, and costs nothing.
    if (reason === 'REQUEST_TIMEOUT') await Promise.all(declaring(reason).map(work))
    else await findings(declaring(reason), work)
    const missing = declaring(reason).filter(({ id }) => !stage.world.refusals.has(`${id} ${reason}`))
    expect(missing.map(({ id }) => id)).toEqual([])
  })
})

test('an id that nothing has is not found, wherever it stands', async () => {
  const { world, rows } = stage
  const cases = world.operations.filter(({ permission }) => permission !== 'public').flatMap(one => referencesOf(one, world.document))
  const wrong = await findings(cases, async one => {
    const { status, text } = await askWith(world, one, unknown, { headers: headersFor(one.operation, stage), rows })
    return status === 404 ? undefined : `${one.name}: ${status} ${text.slice(0, 200)}`
  })
  expect(wrong).toEqual([])
})

test.each(Object.keys(scripts))('%s', async name => {
  const before = stage.world.refusals.size
  await scripts[name]?.(say, stage)
  expect(stage.world.refusals.size).toBeGreaterThan(before)
})

test('a call that somebody has answered', async () => {
  const state = platform()
  const route = { customer_id: stage.mine.customer_id, target: '+1555776', priority: 1 }
  const carrier = await addCarrier(state, await operatorClient(state), { name: 'Reasons', ip: '127.0.0.48', route })
  try {
    const leg = await carrierAnswers(carrier, 'uas-answer', { WAIT_MS: 60_000 })
    const number = await bought(stage, stage.own)
    const { id } = await stage.world.make('/v1.0/calls', stage.own, {
      source: { target: number },
      destinations: [{ target: '+15557760001' }],
    })
    try {
      await until('the call is answered', async () => (await say('getCall', { at: { id } })).body.status === 'active')
      await talkingScript(say, stage, id)
    } finally {
      await say('hangupCall', { at: { id }, body: {} })
      await leg.close()
    }
  } finally {
    await carrier.remove()
  }
})

/** No request brings these about, a busy machine does: that one was seen says nothing. */
const byLoad: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CONFLICT'])

test('is all that the contract declares, but for a list that only gets shorter', () => {
  const { operations, refusals } = stage.world
  const declared = operations.flatMap(({ id, reasons }) => [...reasons].map(reason => ({ pair: `${id} ${reason}`, reason })))
  expect(declared.length).toBeGreaterThan(1_500)
  const missing = declared.filter(({ pair, reason }) => !refusals.has(pair) && !unseen.has(reason) && !unseen.has(pair))
  expect(missing.map(({ pair }) => pair)).toEqual([])
  const listed = declared.filter(({ pair, reason }) => unseen.has(pair) || (unseen.has(reason) && !byLoad.has(reason)))
  const seen = listed.filter(({ pair }) => refusals.has(pair))
  expect(seen.map(({ pair }) => pair)).toEqual([])
})

test('and what is on the list is shown by the test it names', () => {
  const root = join(import.meta.dirname, '../..')
  const wrong = [...unseen].filter(([name, file]) => {
    const reason = name.split(' ').at(-1) ?? ''
    return !existsSync(join(root, file)) || !readFileSync(join(root, file), 'utf8').includes(`'${reason}'`)
  })
  expect(wrong).toEqual([])
})

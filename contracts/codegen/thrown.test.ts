import { expect, test } from 'vitest'
import { fixtureModel } from './fixtures/contracts.ts'
import type { Model } from './model.ts'
import { checkReasons } from './thrown.ts'

const model = fixtureModel()
const said = "repo(widgetTable, { resource: 'widget' })\nthrow ctx.error('WIDGET_LIMIT_REACHED')"
const gateway = "new AppError('FRAME_INVALID', 'TOPIC_INVALID', 'TOPIC_DENIED', 'TOO_MANY_TOPICS')"
const check = (widget: string, other: Partial<Model> = {}) =>
  checkReasons({ ...model, ...other }, [
    { service: 'widget', text: widget },
    { service: 'gateway', text: gateway },
  ]).filter(line => !line.startsWith('contracts/errors.yaml'))

test('a service that throws what it declares passes', () => expect(check(said)).toEqual([]))

test('a reason nobody declared is told', () =>
  expect(check(`${said}\nthrow ctx.error('WIDGET_BROKEN')`)).toEqual([
    'widget throws WIDGET_BROKEN, which none of its operations declares; add it to the x-errors of the operation',
  ]))

test('a general reason needs no declaration', () => expect(check(`${said}\nthrow ctx.error('CONFLICT')`)).toEqual([]))

test('a declared reason that nothing answers is told', () =>
  expect(check("repo(widgetTable, { resource: 'widget' })")).toEqual([
    'contracts/openapi/widget.yaml createWidget: nothing on its way answers WIDGET_LIMIT_REACHED; throw it in widget, or take it out of x-errors',
  ]))

test('what a called operation declares may come through', () => {
  const operations = model.operations.map(one => (one.id === 'paintWidget' ? { ...one, errors: ['WIDGET_LIMIT_REACHED'] } : one))
  expect(check("repo(widgetTable, { resource: 'widget' })\nctx.call('paintWidget', {})", { operations })).toEqual([])
})

test('a reason of the catalogue that nobody uses is told', () => {
  const errors = { ...model.errors, NEVER_USED: { status: 'NOT_FOUND', message: 'x', action: 'y' } }
  expect(checkReasons({ ...model, errors }, [])).toContain(
    'contracts/errors.yaml: no operation declares NEVER_USED; take it out, or add it to the x-errors of one',
  )
})

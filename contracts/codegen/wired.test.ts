import { expect, test } from 'vitest'
import { fixtureModel } from './fixtures/contracts.ts'
import { checkWired } from './wired.ts'

const model = fixtureModel()
const whole = "repo(widgetTable, { resource: 'widget' })\ntx.emit('widget.created', row)\ntx.emit('widget.painted', row)"
const check = (text: string) => checkWired(model, [{ service: 'widget', text }])

test('a service that sends its events and keeps its resource passes', () => expect(check(whole)).toEqual([]))

test('a resource may be kept by something that is no repo', () =>
  expect(check(whole.replace("resource: 'widget'", 'resources: { widget: owners }'))).toEqual([]))

test('an event nobody sends is told', () =>
  expect(check(whole.replace('widget.painted', 'widget.created'))).toEqual([
    'contracts/asyncapi/widget.yaml: services/widget never sends widget.painted; emit it where it happens, or take it out',
  ]))

test('a resource nobody keeps is told', () =>
  expect(check(whole.replace("'widget' }", "'gadget' }"))).toEqual([
    "services/widget: nothing keeps the resource widget; give a repo of schema.ts { resource: 'widget' }",
  ]))

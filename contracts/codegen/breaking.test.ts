import { expect, test } from 'vitest'
import { breakingChanges } from './breaking.ts'
import { fixtureModel } from './fixtures/contracts.ts'
import { type Json, lookup } from './json.ts'
import { openapiDocument } from './openapi.ts'

const text = JSON.stringify(openapiDocument(fixtureModel()))
type Edit = (document: Json) => unknown
const changed = (edit: Edit): string[] => {
  const after = JSON.parse(text) as Json
  edit(after)
  return breakingChanges(JSON.parse(text), after as Record<string, Json>)
}
const at = (document: Json, pointer: string) => lookup(document, pointer) as Record<string, Json>
const list = (document: Json, pointer: string) => lookup(document, pointer) as Json[]
const set = (pointer: string, values: Record<string, Json>): Edit => {
  return document => Object.assign(at(document, pointer), values)
}
const drop = (pointer: string, name: string): Edit => {
  return document => delete at(document, pointer)[name]
}

const sent = '/components/schemas/WidgetCreate'
const received = '/components/schemas/Widget'
const colors = '/components/schemas/WidgetColor/enum'
const widgets = '/paths/~1v1.0~1widgets'

test('the same document breaks nothing', () => expect(changed(() => undefined)).toEqual([]))

test.each<[string, Edit]>([
  ['a new optional field', set(`${sent}/properties`, { extra: { type: 'string' } })],
  ['a new field in an answer', set(`${received}/properties`, { extra: { type: 'string' } })],
  ['a new value of an enum', document => list(document, colors).push('blue')],
  ['a field that need not be sent any more', set(sent, { required: [] })],
  ['a new operation', set('/paths', { '/v1.0/more': { get: { operationId: 'more', responses: {} } } })],
  ['a new major version', set('', { info: { version: '2.0.0' }, paths: {} })],
])('%s breaks nothing', (_, edit) => expect(changed(edit)).toEqual([]))

test.each<[string, Edit, RegExp]>([
  ['an operation', drop('/paths/~1v1.0~1widgets~1{id}', 'get'), /^GET \/v1\.0\/widgets\/\{id\} is gone$/],
  ['an operationId', set(`${widgets}/post`, { operationId: 'makeWidget' }), /operationId createWidget became makeWidget/],
  ['a query parameter', document => list(document, `${widgets}/get/parameters`).pop(), /query parameter flow_id is gone/],
  ['a field of an answer', drop(`${received}/properties`, 'name'), /Widget \(received\)\/name is gone/],
  ['a field of a body', drop(`${sent}/properties`, 'tags'), /WidgetCreate \(sent\)\/tags is gone/],
  ['a value of an enum', document => list(document, colors).pop(), /WidgetColor.*the value green is gone/],
  ['the choice to leave a field out', document => list(document, `${sent}/required`).push('size'), /\(sent\)\/size is required now/],
  ['the promise of a field', document => list(document, `${received}/required`).splice(2, 1), /\(received\)\/name may be left out now/],
  ['a type that is sent', set(`${sent}/properties/size`, { type: 'string' }), /size: type integer became string/],
  ['a type that is received', set(`${received}/properties/name`, { type: ['string', 'null'] }), /name: type string became string\|null/],
  ['an answer', drop(`${widgets}/post/responses`, '201'), /does not answer 201/],
  ['a webhook', drop('/webhooks', 'widget_created'), /webhook widget_created is gone/],
])('taking away %s is told', (_, edit, want) => expect(changed(edit).join('\n')).toMatch(want))

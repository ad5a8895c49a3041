import { expect, test } from 'vitest'
import { lineOf } from './places.ts'

const text = `paths:
  /v1.0/widgets:
    get:
      operationId: listWidgets
    post:
      operationId: createWidget
      x-permission: widget_create
  /v1.0/widgets/{id}:
    parameters:
      - { name: id, in: path }
components:
  schemas:
    Widget:
      properties:
        id: { type: string }
        name: { type: string }
    WidgetCreate:
      properties:
        name: { type: string }
  messages:
    widget.created:
      payload:
        allOf:
          - properties:
              data: { type: object }
`

test.each([
  { where: 'POST /v1.0/widgets (createWidget)', want: 6 },
  { where: 'POST /v1.0/widgets ()', want: 5 },
  { where: 'GET /v1.0/widgets', want: 3 },
  { where: 'createWidget /name', want: 6 },
  { where: 'createWidget parameter', want: 6 },
  { where: 'schema WidgetCreate /name', want: 19 },
  { where: 'schema Widget', want: 13 },
  { where: 'event widget.created', want: 21 },
  { where: 'event widget.created /data', want: 25 },
  { where: '/paths/~1v1.0~1widgets~1{id}/parameters/0/name', want: 10 },
  { where: 'channels/other.events/other.created', want: undefined },
])('$where is in line $want', ({ where, want }) => expect(lineOf(text, where)).toBe(want))

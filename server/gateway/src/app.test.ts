import { readFileSync } from 'node:fs'
import { routes } from '@voipbin/generated/gateway/index'
import { silentLogger } from '@voipbin/kernel'
import { expect, test } from 'vitest'
import { createApp } from './app.ts'
import { toRoute } from './catalogue.ts'
import { Responder } from './respond.ts'

interface Operation {
  operationId?: string
  responses?: object
  requestBody?: { required?: boolean }
}
type Paths = Record<string, Record<string, Operation>>

// Read, not imported: the compiler would make a type of all of it.
const document = JSON.parse(readFileSync(new URL(import.meta.resolve('@voipbin/generated/openapi.json')), 'utf8')) as { paths: Paths }

/** Method and path, operationId, status of success, names of parameters, whether a body must come. */
const outline = (paths: Paths) =>
  Object.entries(paths)
    .flatMap(([path, item]) =>
      Object.entries(item)
        .filter(([method]) => /^(get|post|put|patch|delete)$/.test(method))
        .map(([method, { operationId, responses, requestBody }]) => {
          const success = Object.keys(responses ?? {}).filter(code => code.startsWith('2'))
          return `${method} ${path} ${operationId} ${success} ${requestBody ? (requestBody.required ?? false) : 'no body'}`
        }),
    )
    .sort()

test('what is mounted is what the contract says', () => {
  const app = createApp({
    routes: routes.map(toRoute),
    stages: {} as never,
    responder: new Responder({ origins: [], tls: false }),
    proxies: 0,
    files: new Map(),
    probes: {},
    log: silentLogger,
  })
  const mounted = app.getOpenAPI31Document({ openapi: '3.1.0', info: { title: 'mounted', version: '1' } })
  expect(outline(mounted.paths as unknown as Paths)).toEqual(outline(document.paths))
})

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type AnyWebhook, sign } from '@voipbin/sdk/webhooks'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { moduleName, readPage, type Sample, samples, writeFiles, writeModules } from './samples.ts'

const root = join(import.meta.dirname, '..')
const all = samples()
const title = ({ page, line }: Sample): string => `${page}:${line}`
const modules = all.filter(({ language, marks }) => language === 'ts' && !('excerpt' in marks))
let folder = ''

beforeAll(() => {
  folder = writeModules(modules).folder
})

interface Schema {
  properties?: Record<string, Schema>
  enum?: string[]
  allOf?: (Schema & { $ref?: string })[]
}
interface Operation {
  operationId?: string
  requestBody?: object
  'x-codeSamples'?: CodeSample[]
}
const document = JSON.parse(readFileSync(join(root, 'generated/openapi.json'), 'utf8')) as {
  tags: { name: string; description: string }[]
  'x-tagGroups': { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}
const ajv = new Ajv2020({ strict: false, allErrors: true })
formats.default(ajv)
ajv.addSchema({ ...document, $id: 'contract' })

/** What is wrong with a value, by the contract. */
function problems(pointer: string, value: unknown): string[] {
  const validate = ajv.getSchema(`contract#${pointer}`)
  if (!validate) throw new Error(`the contract has no ${pointer}`)
  void validate(value)
  return (validate.errors ?? []).map(error => `${error.instancePath} ${error.message}`)
}

test('there are samples to look at', () => {
  const count = (language: string): number => all.filter(sample => sample.language === language).length
  expect([count('ts'), count('json'), count('sh'), count('yaml')].map(n => n > 4)).toEqual([true, true, true, true])
})

test('every TypeScript sample compiles', { timeout: 120_000 }, () => {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', join(folder, 'tsconfig.json')], { encoding: 'utf8', cwd: folder })
  expect(stdout).toBe('')
  expect(status).toBe(0)
})

test('every resource has its place and its description in the reference', () => {
  const { tags, 'x-tagGroups': groups } = document
  expect(groups.map(({ name }) => name)).not.toContain('More')
  expect(tags.filter(({ description }) => description.startsWith('Operations on')).map(({ name }) => name)).toEqual([])
})

interface CodeSample {
  lang: string
  source: string
}
const ofReference = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).flatMap(([method, { operationId = '', 'x-codeSamples': shown = [] }]) =>
    shown.map(sample => ({ ...sample, operation: operationId, name: `${method} ${path}` })),
  ),
)

describe('the samples of the reference', () => {
  test('are there for every operation, as a command and as a program', () => {
    const operations = Object.values(document.paths).flatMap(item => Object.values(item))
    expect(ofReference.map(({ lang }) => lang).filter(lang => lang === 'TypeScript')).toHaveLength(operations.length)
    expect(ofReference.map(({ lang }) => lang).filter(lang => lang === 'Shell')).toHaveLength(operations.length)
  })

  test('compile', { timeout: 120_000 }, () => {
    const programs = ofReference.filter(({ lang }) => lang === 'TypeScript')
    const { folder: place } = writeFiles('reference', new Map(programs.map(({ operation, source }) => [`${operation}.ts`, source])))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', join(place, 'tsconfig.json')], { encoding: 'utf8', cwd: place })
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })

  test('are commands that a shell understands', () => {
    const script = ofReference
      .filter(({ lang }) => lang === 'Shell')
      .map(({ source }) => source)
      .join('\n')
    expect(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  })
})

describe('JSON', () => {
  const json = all.filter(({ language }) => language === 'json').map(sample => ({ name: title(sample), sample }))
  test.each(json)('$name', ({ sample: { text, marks } }) => {
    const value = JSON.parse(text) as Record<string, unknown>
    const { schema } = marks
    if (schema === undefined) return
    if (!('partial' in marks)) return expect(problems(`/components/schemas/${schema}`, value)).toEqual([])
    for (const [name, part] of Object.entries(value)) expect({ [name]: problems(propertyOf(schema, name), part) }).toEqual({ [name]: [] })
  })
})

/** Where the schema of a property is, through `allOf`. */
function propertyOf(schema: string, name: string): string {
  const place = findProperty(schema, name)
  if (place === undefined) throw new Error(`${schema} has no ${name}`)
  return place
}

function findProperty(schema: string, name: string): string | undefined {
  const { properties, allOf = [] } = document.components.schemas[schema] ?? {}
  const here = `/components/schemas/${schema}`
  if (properties?.[name]) return `${here}/properties/${name}`
  const places = allOf.map((part, i) =>
    part.$ref ? findProperty(part.$ref.split('/').at(-1) ?? '', name) : part.properties?.[name] && `${here}/allOf/${i}/properties/${name}`,
  )
  return places.find(place => place !== undefined)
}

describe('YAML', () => {
  const yaml = all.filter(({ language }) => language === 'yaml').map(sample => ({ name: title(sample), sample }))
  // A piece of a file may point to an anchor that is further up in it.
  test.each(yaml)('$name', ({ sample: { text } }) => expect(() => parse(text.replace(/: \*\w+$/gm, ': {}'))).not.toThrow())
})

describe('requests by curl', () => {
  const commands = all
    .filter(({ language }) => language === 'sh')
    .flatMap(sample => commandsOf(sample.text).map(command => ({ name: title(sample), command })))
  test('there are some', () => expect(commands.length).toBeGreaterThan(2))
  test.each(commands)('$name', ({ command }) => {
    const { method, path, body } = requestOf(command)
    const operation = document.paths[path]?.[method]
    expect(`${method} ${path}: ${operation ? 'known' : 'not in the contract'}`).toBe(`${method} ${path}: known`)
    const pointer = `/paths/${path.replaceAll('/', '~1')}/${method}/requestBody/content/application~1json/schema`
    if (body !== undefined) expect(problems(pointer, JSON.parse(body))).toEqual([])
  })
})

const commandsOf = (text: string): string[] => [...text.matchAll(/^(?:\w+=\$\()?(curl (?:[^\n']|'[^']*')*)/gm)].map(match => match[1] ?? '')

function requestOf(command: string): { method: string; path: string; body: string | undefined } {
  const [, base = '', path = ''] = /"\$(API|AUTH)(\/[^"?]*)/.exec(command) ?? []
  const body = / -d '([^']*)'/.exec(command)?.[1]
  const method = (/ -X (\w+)/.exec(command)?.[1] ?? (body === undefined ? 'GET' : 'POST')).toLowerCase()
  return { method, path: `${base === 'AUTH' ? '/auth' : '/v1.0'}${path.replaceAll('$ID', '{id}')}`, body }
}

test('every action of the contract has a section with an example', () => {
  const types = document.components.schemas.ActionType?.enum ?? []
  expect(types.length).toBeGreaterThan(10)
  const shown = [...readPage('flows.md').matchAll(/^### (\w+)\n[\s\S]*?^```json schema=Action\n([\s\S]*?)^```/gm)]
  expect(shown.map(match => match[1]).sort()).toEqual(types.toSorted())
  for (const [, name, text] of shown) expect((JSON.parse(text ?? '') as { type: string }).type).toBe(name)
})

/** A sample by its mark, run. */
const load = async <T>(mark: string): Promise<T> => {
  const sample = all.find(({ marks }) => marks.run === mark)
  if (!sample) throw new Error(`no sample is marked run=${mark}`)
  return (await import(join(folder, moduleName(sample)))) as T
}

test('the flow of the cookbook is one by the contract', async () => {
  const { actions } = await load<{ actions: unknown[] }>('flow')
  expect(actions).toHaveLength(9)
  expect(problems('/components/schemas/FlowCreate', { name: 'Menu', actions })).toEqual([])
})

test('what the cookbook signs it accepts', () => expect(load('sign')).resolves.toBeDefined())

describe('webhooks', () => {
  const secret = `whsec_${Buffer.from('a secret for the samples of docs').toString('base64')}`
  const event = {
    id: '01980a4e-5d00-7a11-8c3e-1f2a3b4c5d40',
    type: 'call_hungup',
    created: '2026-01-20T12:00:30.120Z',
    data: { id: 'x' },
  } as unknown as AnyWebhook
  test('the server of the page takes a genuine delivery and refuses a changed, an old and a foreign one', async () => {
    process.env.VOIPBIN_WEBHOOK_SECRET = secret
    const { server } = await load<{ server: Server }>('webhook')
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const post = async (body: string, headers: Record<string, string>): Promise<number> =>
      (await fetch(url, { method: 'POST', body, headers })).status
    const { body, headers } = await sign(event, secret)
    const old = await sign(event, secret, new Date(Date.now() - 600_000))
    const foreign = await sign(event, `whsec_${Buffer.from('another one').toString('base64')}`)
    const answers = [
      await post(body, headers),
      await post(`${body} `, headers),
      await post(old.body, old.headers),
      await post(foreign.body, foreign.headers),
    ]
    server.close()
    expect(answers).toEqual([204, 400, 400, 400])
  })

  test('by hand it is the same', async () => {
    const { isGenuine } = await load<{ isGenuine(body: string, headers: Record<string, string>, secret: string): boolean }>('by-hand')
    const { body, headers } = await sign(event, [`whsec_${Buffer.from('the old one').toString('base64')}`, secret])
    const old = await sign(event, secret, new Date(Date.now() - 600_000))
    expect([
      isGenuine(body, headers, secret),
      isGenuine(`${body} `, headers, secret),
      isGenuine(old.body, old.headers, secret),
      isGenuine(body, {}, secret),
    ]).toEqual([true, false, false, false])
  })
})

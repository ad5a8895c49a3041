import { isList, pluralsOf } from './gateway.ts'
import type { Model, PublicOperation } from './model.ts'
import { asObject, refName, type Schema } from './schema.ts'
import { byName, camel, doc, header, importLine, key, type Output, pascal, quote } from './text.ts'
import { type TsOptions, tsBlock, tsType } from './ts.ts'

/** `sdk/types.ts`: what openapi-typescript makes of the public document. */
export async function sdkTypesFile(document: object): Promise<Output> {
  const { default: openapiTS, astToString } = await import('openapi-typescript')
  // Webhook payloads are generated from the events; a body property with a default stays optional for who sends it.
  const { webhooks: _, ...rest } = structuredClone(document) as Record<string, unknown>
  const ast = await openapiTS(JSON.stringify(rest), {
    defaultNonNullable: false,
    rootTypes: true,
    rootTypesNoSchemaPrefix: true,
    alphabetize: true,
    silent: true,
  })
  return { path: 'sdk/types.ts', text: `${header}\n${astToString(ast)}` }
}

/** `sdk/request.ts`: what the methods of resources take and give besides their own types. */
export function sdkRequestFile(): Output {
  const text = `${header}
export interface RequestOptions {
  signal?: AbortSignal
  /** Sent with creates; made up unless given. */
  idempotency_key?: string
  headers?: Record<string, string>
}

/** One page of a list. */
export interface PageResult<T> {
  result: T[]
  /** Empty on the last page. */
  next_page_token: string
  /** The next page, undefined after the last. */
  next(): Promise<PageResult<T> | undefined>
}

/** Awaited, a list is its first page; iterated, it is every row of every page. */
export interface Page<T> extends PromiseLike<PageResult<T>>, AsyncIterable<T> {}
`
  return { path: 'sdk/request.ts', text }
}

/** `sdk/reasons.ts`: the catalogue as a type. */
export function sdkReasonsFile(model: Model): Output {
  const rows = Object.keys(model.errors)
    .sort()
    .map(reason => `  | ${quote(reason)}\n`)
  return { path: 'sdk/reasons.ts', text: `${header}\n/** Every reason an error may carry. */\nexport type Reason =\n${rows.join('')}` }
}

/** `sdk/resources.ts`: the resources of the client, as route data for the runtime and as documented interfaces for the compiler. */
export function sdkResourcesFile(model: Model): Output {
  const used = new Set<string>()
  const options: TsOptions = { schemas: model.schemas, used, sending: true }
  const groups = byName(sdkResources(model))
  const parts = groups.map(([resource, methods]) => {
    const texts = methods.map(({ name, operation }) => methodText(name, operation, model, options))
    return `export interface ${pascal(resource)}Resource {\n${texts.map(text => text.signature).join('')}}\n${texts.map(text => text.query).join('')}`
  })
  const data = groups.map(([resource, methods]) => {
    const rows = methods.map(({ name, operation }) => `    ${name}: ${quote(routeData(operation, model))},\n`)
    return `  ${key(resource)}: {\n${rows.join('')}  },\n`
  })
  const text = [
    `${header}${importLine(['Page', 'RequestOptions'], './request.ts')}${importLine(used, './types.ts')}`,
    parts.join('\n'),
    `/** The resources of a client. */\nexport interface Resources {\n${groups.map(([resource]) => `  readonly ${key(resource)}: ${pascal(resource)}Resource\n`).join('')}}\n`,
    '/** `METHOD path flags`; flags: `b` takes a body, `q` takes a query, `l` is a list in pages, `r` answers with bytes, `i` takes an Idempotency-Key. */',
    `export const routes: { readonly [R in keyof Resources]: { readonly [M in keyof Resources[R]]: string } } = {\n${data.join('')}}\n`,
  ]
  return { path: 'sdk/resources.ts', text: text.join('\n') }
}

interface Method {
  name: string
  operation: PublicOperation
}

/** Resource name in the client → its methods. */
export function sdkResources(model: Model): Map<string, Method[]> {
  const groups = new Map<string, Method[]>()
  for (const operation of model.operations) {
    if (operation.kind !== 'public') continue
    const resource = camel(operation.tag)
    groups.set(resource, [...(groups.get(resource) ?? []), { name: methodName(operation, model), operation }])
  }
  return groups
}

/** `hangupCall` of tag `calls` → `hangup`, `startCallRecording` → `startRecording`. */
export function methodName(operation: PublicOperation, model: Model): string {
  if (operation.sdkName) return operation.sdkName
  const singulars = [...model.resources.keys()].filter(resource => pluralsOf(resource).includes(operation.tag))
  const names = [operation.tag, ...singulars].map(pascal).sort((a, b) => b.length - a.length)
  for (const name of names) {
    const at = operation.id.indexOf(name)
    if (at > 0) return operation.id.slice(0, at) + operation.id.slice(at + name.length)
  }
  return operation.id
}

function routeData(operation: PublicOperation, model: Model): string {
  const flags = [
    !operation.output && 'r',
    operation.body && 'b',
    operation.query.length > 0 && 'q',
    isList(operation, model) && 'l',
    operation.idempotent && 'i',
  ]
  const text = flags.filter(flag => flag).join('')
  return `${operation.method} ${operation.httpPath}${text && ` ${text}`}`
}

function methodText(name: string, operation: PublicOperation, model: Model, options: TsOptions): { signature: string; query: string } {
  const parameters = operation.path.map(field => `${field.name}: ${tsType(field.schema, options)}`)
  let query = ''
  if (operation.query.length > 0) {
    const type = `${pascal(operation.id)}Query`
    const properties = Object.fromEntries(operation.query.map(field => [field.name, field.schema]))
    const required = operation.query.filter(field => field.required).map(field => field.name)
    query = `export interface ${type} ${tsBlock({ type: 'object', properties, required }, options)}\n`
    parameters.push(`query${required.length > 0 ? '' : '?'}: ${type}`)
  }
  if (operation.body) parameters.push(`body${operation.body.required ? '' : '?'}: ${tsType(operation.body.schema, options)}`)
  parameters.push('options?: RequestOptions')
  const comment = doc([operation.summary, operation.description, errorsLine(operation)], '  ')
  return { signature: `${comment}  ${name}(${parameters.join(', ')}): ${answerType(operation, model, options)}\n`, query }
}

const errorsLine = (operation: PublicOperation): string | undefined =>
  operation.errors.length > 0 ? `Own reasons: ${operation.errors.map(reason => `\`${reason}\``).join(', ')}.` : undefined

function answerType(operation: PublicOperation, model: Model, options: TsOptions): string {
  if (!operation.output) return 'Promise<Blob>'
  if (!isList(operation, model)) return `Promise<${answerName(operation.output, options)}>`
  const rows = asObject(operation.output ?? {}, model.schemas)?.properties?.result
  return `Page<${tsType(rows?.items ?? {}, options)}>`
}

function answerName(output: Schema, options: TsOptions): string {
  if (output.$ref === undefined) return tsType(output, options)
  options.used.add(refName(output.$ref))
  return refName(output.$ref)
}

import { boundsOf } from './bounds.ts'
import { type Field, isList, type Model, type Operation, type PublicOperation, pluralsOf } from './model.ts'
import { generalReasons, httpStatus } from './reasons.ts'
import { asObject, refName, type Schema } from './schema.ts'
import { byName, camel, doc, header, importLine, key, type Output, pascal, quote } from './text.ts'
import { type TsOptions, tsBlock, tsType } from './ts.ts'

/** `sdk/request.ts`: what the methods of resources take and give besides their own types. */
export function sdkRequestFile(): Output {
  const text = `${header}import type { GeneralReason, Status } from './reasons.ts'
import type { ErrorDetail } from './types.ts'

export interface RequestOptions {
  /** Gives the request up, also between attempts and while the answer is read. The promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Milliseconds per attempt. That of the client unless given. */
  timeoutMs?: number | undefined
  /** Attempts after the first. That of the client unless given. */
  maxRetries?: number | undefined
  /** Sent with creates, the same in every attempt; made up unless given. 1 to 255 printable ASCII characters. */
  idempotencyKey?: string | undefined
  headers?: Record<string, string> | undefined
}

/** The error of a result. Its \`reason\` is one that the contract declares for the operation; a newer platform may know more. */
export interface ApiError<R extends string> extends Error {
  readonly status: Status
  readonly reason: R
  readonly httpStatus: number
  readonly request_id: string
  readonly details: readonly ErrorDetail[]
  readonly response: Response
}

export type ApiResult<T, R extends string> =
  | { readonly data: T; readonly error?: undefined }
  | { readonly data?: undefined; readonly error: ApiError<R | GeneralReason> }

/** The answer to a request: awaited, its body. */
export interface ApiPromise<T, R extends string = never> extends Promise<T> {
  /** The answer itself, its body unread: for streams and large files. Ask for it in the statement that makes the request. Rejects like the promise. */
  asResponse(): Promise<Response>
  /** The body, and the answer it came in for its headers. */
  withResponse(): Promise<{ data: T; response: Response; request_id: string }>
  /** The body or the platform's error, whose \`reason\` is one of those this operation declares. Rejects only when no answer came. */
  asResult(): Promise<ApiResult<T, R>>
}

/** One page of a list. */
export interface PageResult<T> {
  result: T[]
  /** Empty on the last page. */
  next_page_token: string
  /** The next page, undefined after the last. */
  next(): Promise<PageResult<T> | undefined>
}

/** Awaited, a list is its first page; iterated, it is every row of every page. Nothing is asked for before. */
export interface Page<T, R extends string = never> extends ApiPromise<PageResult<T>, R>, AsyncIterable<T> {}
`
  return { path: 'sdk/request.ts', text }
}

/** `sdk/reasons.ts`: the catalogue as types. Reasons that only internal operations give stay inside. */
export function sdkReasonsFile(model: Model): Output {
  const reach = (kind: Operation['kind']): Set<string> =>
    new Set(model.operations.flatMap(operation => (operation.kind === kind ? operation.errors : [])))
  const [open, inside] = [reach('public'), reach('internal')]
  const shown = Object.entries(model.errors).filter(([reason]) => generalReasons.has(reason) || open.has(reason) || !inside.has(reason))
  const union = (reasons: string[]): string =>
    reasons.length === 0 ? ' never' : reasons.map(reason => `\n    | ${quote(reason)}`).join('')
  const rows = Object.keys(httpStatus)
    .sort()
    .map(status => `  ${status}:${union(shown.flatMap(([reason, row]) => (row.status === status ? [reason] : [])).sort())}\n`)
  const text = [
    header,
    `/** Status of an error → the reasons it may have. */\nexport interface ReasonMap {\n${rows.join('')}}\n`,
    'export type Status = keyof ReasonMap\n/** Every reason an error may carry. */\nexport type Reason = ReasonMap[Status]\n',
    `/** Reasons that any operation may give. */\nexport type GeneralReason =${union([...generalReasons].sort())}\n`,
  ]
  return { path: 'sdk/reasons.ts', text: text.join('\n') }
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
    `${header}${importLine(['ApiPromise', 'Page', 'RequestOptions'], './request.ts')}${importLine(used, './types.ts')}`,
    parts.join('\n'),
    `/** The resources of a client. */\nexport interface Resources {\n${groups.map(([resource]) => `  readonly ${key(resource)}: ${pascal(resource)}Resource\n`).join('')}}\n`,
    '/** `METHOD path flags`; flags: `b` takes a body, `q` takes a query, `l` is a list in pages, `r` answers with bytes, `i` takes an Idempotency-Key, `p` needs no credentials. */',
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
    operation.permission === 'public' && 'p',
  ]
  const text = flags.filter(flag => flag).join('')
  return `${operation.method} ${operation.httpPath}${text && ` ${text}`}`
}

function methodText(name: string, operation: PublicOperation, model: Model, options: TsOptions): { signature: string; query: string } {
  const parameters = operation.path.map(field => `${field.name}: ${tsType(field.schema, options)}`)
  let query = ''
  if (operation.query.length > 0) {
    const type = `${pascal(operation.id)}Query`
    const properties = Object.fromEntries(operation.query.map(field => [field.name, described(field, model)]))
    const required = operation.query.filter(field => field.required).map(field => field.name)
    query = `export interface ${type} ${tsBlock({ type: 'object', properties, required }, options)}\n`
    parameters.push(`query${required.length > 0 ? '' : '?'}: ${type}`)
  }
  if (operation.body) parameters.push(`body${operation.body.required ? '' : '?'}: ${tsType(operation.body.schema, options)}`)
  parameters.push('options?: RequestOptions')
  const comment = doc([operation.summary, operation.description, ...needs(operation), ...thrown(operation, model)], '  ')
  return { signature: `${comment}  ${name}(${parameters.join(', ')}): ${answerType(operation, model, options)}\n`, query }
}

/** A query parameter with its range in words. */
const described = ({ schema }: Field, model: Model): Schema => {
  const text = [schema.description, boundsOf(schema, model.schemas)].filter(Boolean).join(' ')
  return text ? { ...schema, description: text } : schema
}

function needs({ permission, idempotent }: PublicOperation): string[] {
  const line = permission === 'public' ? 'No credentials needed.' : permission === 'authenticated' ? '' : `Permission: \`${permission}\`.`
  return [[line, idempotent && 'Carries an `Idempotency-Key`.'].filter(Boolean).join(' ')]
}

const thrown = (operation: PublicOperation, model: Model): string[] =>
  operation.errors.map(reason => {
    const { status = '', message = '' } = model.errors[reason] ?? {}
    return `@throws ${pascal(status.toLowerCase())}Error \`${reason}\`: ${message}`
  })

/** Its own reasons, as the second parameter of the type of its answer. */
const reasonsType = ({ errors }: PublicOperation): string => (errors.length === 0 ? '' : `, ${errors.map(quote).join(' | ')}`)

function answerType(operation: PublicOperation, model: Model, options: TsOptions): string {
  const reasons = reasonsType(operation)
  if (!operation.output) return `ApiPromise<Blob${reasons}>`
  if (!isList(operation, model)) return `ApiPromise<${answerName(operation.output, options)}${reasons}>`
  const rows = asObject(operation.output ?? {}, model.schemas)?.properties?.result
  return `Page<${tsType(rows?.items ?? {}, options)}${reasons}>`
}

function answerName(output: Schema, options: TsOptions): string {
  if (output.$ref === undefined) return tsType(output, options)
  options.used.add(refName(output.$ref))
  return refName(output.$ref)
}

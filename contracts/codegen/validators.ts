import { frameNames } from './frames.ts'
import { type Field, isRpc, type Model, type Operation } from './model.ts'
import { asObject, children, reachable, refName, resolve, type Schema } from './schema.ts'
import { header, importLine, key, type Output, pascal } from './text.ts'
import { queryZodOf, type ZodOptions, zodOf } from './zod.ts'

const coerceText = `${header}
// Query parameters arrive as text; what cannot be turned is left as it is, so that the validator names what it saw.
export const toNumber = (value: unknown): unknown => (typeof value === 'string' && /^-?\\d+(\\.\\d+)?$/.test(value) ? Number(value) : value)
export const toBoolean = (value: unknown): unknown => (value === 'true' ? true : value === 'false' ? false : value)
export const toList = (value: unknown): unknown => (value === undefined || Array.isArray(value) ? value : [value])
export const toNumbers = (value: unknown): unknown => (value === undefined ? value : [value].flat().map(toNumber))
`

type Mode = ZodOptions['mode']
const exported = (name: string, mode: Mode): string => (mode === 'strict' ? name : `${name}Loose`)

/** What the validators of a model need: which schemas, in which mode, in which file. */
interface Plan {
  model: Model
  /** Schemas reachable from public request bodies and from RPC inputs. */
  wanted: Record<Mode, Set<string>>
  /** Schema → file of its validator: that of the one service which uses it, or `common`. So files never import in a circle. */
  home: ReadonlyMap<string, string>
}

/** `validators/<service>.ts`: strict validators of public requests, loose ones of RPC inputs; synchronous. */
export function validatorFiles(model: Model): Output[] {
  const plan = makePlan(model)
  const files = [...new Set([...plan.home.values(), ...model.operations.map(operation => operation.service)])].sort()
  return [{ path: 'validators/coerce.ts', text: coerceText }, ...files.map(service => serviceFile(service, plan))]
}

function makePlan(model: Model): Plan {
  const wanted = { strict: new Set<string>(), loose: new Set<string>() }
  const users = new Map<string, Set<string>>()
  const use = (schemas: Schema[], mode: Mode, service: string): void => {
    for (const name of reachable(schemas, model.schemas)) {
      wanted[mode].add(name)
      users.set(name, (users.get(name) ?? new Set()).add(service))
    }
  }
  for (const operation of model.operations) {
    if (operation.kind === 'public') use(requestSchemas(operation), 'strict', operation.service)
    if (isRpc(operation)) use(flatSchemas(operation, model), 'loose', operation.service)
  }
  use(clientFrames(model), 'strict', 'websocket')
  const home = new Map([...users].map(([name, services]) => [name, services.size === 1 ? ([...services][0] ?? 'common') : 'common']))
  return { model, wanted, home }
}

const fieldSchemas = (operation: Operation): Schema[] => [...operation.path, ...operation.query].map(field => field.schema)
const requestSchemas = (operation: Operation): Schema[] => [...fieldSchemas(operation), ...(operation.body ? [operation.body.schema] : [])]

/** What the flat input refers to: the fields of an object body, not the body itself. */
function flatSchemas(operation: Operation, model: Model): Schema[] {
  const body = operation.body && asObject(operation.body.schema, model.schemas)
  return body ? [...fieldSchemas(operation), ...Object.values(body.properties ?? {})] : requestSchemas(operation)
}
const clientFrames = (model: Model): Schema[] =>
  frameNames(model, 'receiveClientFrames').map(name => ({ $ref: `#/components/schemas/${name}` }))
const homeOf = (plan: Plan, name: string): string => plan.home.get(name) ?? 'common'

class ServiceFile {
  readonly imports = new Map<string, Set<string>>()
  readonly types = new Set<string>()
  readonly done = new Set<string>()
  readonly parts: string[] = []
  readonly service: string
  readonly plan: Plan

  constructor(service: string, plan: Plan) {
    this.service = service
    this.plan = plan
  }

  options(mode: Mode): ZodOptions {
    return {
      schemas: this.plan.model.schemas,
      mode,
      reference: name => {
        const code = exported(name, mode)
        const owner = homeOf(this.plan, name)
        if (owner === this.service) return { code, lazy: !this.done.has(code) }
        this.import(code, `./${owner}.ts`)
        return { code, lazy: false }
      },
    }
  }

  import(name: string, from: string): void {
    const names = this.imports.get(from) ?? new Set()
    this.imports.set(from, names.add(name))
  }

  schema(name: string, mode: Mode): void {
    const schema = this.plan.model.schemas.get(name)
    if (!schema) return
    this.types.add(name)
    const code = exported(name, mode)
    this.parts.push(`export const ${code}: z.ZodType<${name}> = ${zodOf(schema, this.options(mode))}\n`)
    this.done.add(code)
  }

  text(): string {
    const body = this.parts.join('\n')
    const coercions = ['toBoolean', 'toList', 'toNumber', 'toNumbers'].filter(name => new RegExp(`\\b${name}\\b`).test(body))
    const imports = [
      `import { z } from 'zod'\n`,
      importLine(this.types, '../schemas.ts'),
      importLine(coercions, './coerce.ts', 'value'),
      ...[...this.imports].sort(([a], [b]) => (a < b ? -1 : 1)).map(([from, names]) => importLine(names, from, 'value')),
    ]
    return `${header}// @ts-nocheck: checking zod expressions costs seconds; the annotations below are what others see\n${imports.join('')}\n${body}`
  }
}

function serviceFile(service: string, plan: Plan): Output {
  const file = new ServiceFile(service, plan)
  for (const mode of ['strict', 'loose'] as const) {
    for (const name of inOrder(plan, mode, service)) file.schema(name, mode)
  }
  for (const operation of plan.model.operations) {
    if (operation.service !== service) continue
    if (operation.kind === 'public') requestParts(operation, file)
    if (isRpc(operation)) file.parts.push(inputValidator(operation, file))
  }
  if (service === 'websocket')
    file.parts.push(`export const ClientFrame: z.ZodType = ${zodOf({ oneOf: clientFrames(plan.model) }, file.options('strict'))}\n`)
  return { path: `validators/${service}.ts`, text: file.text() }
}

/** Own schemas, each after what it refers to. */
function inOrder(plan: Plan, mode: Mode, service: string): string[] {
  const order: string[] = []
  const seen = new Set<string>()
  const visit = (schema: Schema): void => {
    if (schema.$ref !== undefined) name(refName(schema.$ref))
    for (const [, child] of children(schema)) visit(child)
  }
  const name = (own: string): void => {
    if (seen.has(own)) return
    seen.add(own)
    visit(plan.model.schemas.get(own) ?? {})
    if (homeOf(plan, own) === service && plan.wanted[mode].has(own)) order.push(own)
  }
  for (const wanted of [...plan.wanted[mode]].sort()) name(wanted)
  return order
}

const shape = (fields: Field[], text: (field: Field) => string): string =>
  `{\n${fields.map(field => `  ${key(field.name)}: ${text(field)},\n`).join('')}}`

/** The parts of a public request for the gateway: path, query, and a body that has no name of its own. */
function requestParts(operation: Operation, file: ServiceFile): void {
  const options = file.options('strict')
  const query = (field: Field): string => optional(queryZodOf(field.schema, options), field, file)
  if (operation.path.length > 0) {
    file.parts.push(
      `export const ${operation.id}Path: z.ZodType = z.object(${shape(operation.path, field => zodOf(field.schema, options))})\n`,
    )
  }
  if (operation.query.length > 0)
    file.parts.push(`export const ${operation.id}Query: z.ZodType = z.strictObject(${shape(operation.query, query)})\n`)
  if (operation.body && operation.body.schema.$ref === undefined) {
    file.parts.push(`export const ${operation.id}Body: z.ZodType = ${zodOf(operation.body.schema, options)}\n`)
  }
}

const optional = (code: string, field: Field, file: ServiceFile): string => {
  const defaulted = resolve(field.schema, file.plan.model.schemas).default !== undefined
  return field.required || defaulted ? code : `${code}.optional()`
}

/** The flat input of an operation over RPC. */
function inputValidator(operation: Operation, file: ServiceFile): string {
  const options = file.options('loose')
  const name = `${operation.id}Input`
  const head = [
    ...operation.path.map(field => `  ${key(field.name)}: ${zodOf(field.schema, options)},\n`),
    ...operation.query.map(field => `  ${key(field.name)}: ${optional(queryZodOf(field.schema, options), field, file)},\n`),
  ].join('')
  const annotation = `export const ${name}: z.ZodType<object>`
  if (!operation.body) return `${annotation} = z.object({\n${head}})\n`
  const body = asObject(operation.body.schema, options.schemas)
  if (!body) return `${annotation} = z.intersection(z.object({\n${head}}), ${zodOf(operation.body.schema, options)})\n`
  const required = new Set(operation.body.required ? body.required : [])
  const rest = Object.entries(body.properties ?? {}).map(([property, schema]) => {
    const code = zodOf(schema, options)
    return `  ${key(property)}: ${optional(code, { name: property, schema, required: required.has(property) }, file)},\n`
  })
  return `${annotation} = z.object({\n${head}${rest.join('')}})\n`
}

export const inputName = (operation: Operation): string => `${pascal(operation.id)}Input`

/** Where the gateway finds the validator of a body. */
export function bodyValidators(model: Model): (operation: Operation) => { name: string; file: string } | undefined {
  const plan = makePlan(model)
  return operation => {
    if (!operation.body) return undefined
    const ref = operation.body.schema.$ref
    return ref === undefined
      ? { name: `${operation.id}Body`, file: operation.service }
      : { name: refName(ref), file: homeOf(plan, refName(ref)) }
  }
}

import { alwaysThere, type EventDefinition, inputFields, isRpc, type Model, type Operation, queueOf } from './model.ts'
import { projectorName } from './project.ts'
import { asObject, refName, type Schema, schemasWithInternals } from './schema.ts'
import { readStates, type StateDefinition } from './states.ts'
import { camel, doc, header, importLine, key, literal, type Output, pascal, quote } from './text.ts'
import { tsBlock, tsType } from './ts.ts'
import { inputName } from './validators.ts'

/** One service as its messages describe it. */
export interface ServiceMessages {
  name: string
  operations: Operation[]
  emits: EventDefinition[]
  consumes: EventDefinition[]
}

/** Services that take part in RPC or events, in the order of their names. */
export function serviceMessages(model: Model): ServiceMessages[] {
  return model.services
    .map(name => ({
      name,
      operations: model.operations.filter(operation => operation.service === name && isRpc(operation)),
      emits: model.events.filter(event => event.service === name),
      consumes: model.consumed.get(name) ?? [],
    }))
    .filter(({ operations, emits, consumes }) => operations.length + emits.length + consumes.length > 0)
}

/** `rpc/<service>.ts`: wire types, the contract value and the types of a service's parts. */
export function rpcFile(service: ServiceMessages, model: Model): Output {
  const options = { schemas: model.schemas, used: new Set<string>() }
  const name = pascal(service.name)
  const inputs = service.operations.map(operation => inputDeclaration(operation, model, options.used))
  const outputs = service.operations.map(operation => outputDeclaration(operation, model, options.used))
  const methods = service.operations.map(operation => methodType(operation, options))
  const outside = { ...options, publicViews: schemasWithInternals(model.schemas) }
  const eventType = (event: EventDefinition): string =>
    `  ${quote(event.type)}: ${tsType(event.data, event.internal ? options : outside)}\n`
  const body = [
    ...inputs,
    ...outputs.filter(text => text !== ''),
    `${doc(`What the ${service.name} service answers: operationId → wire types.`)}export interface ${name}Methods {\n${methods.join('')}}\n`,
    `${doc('Event type → data it sends.')}export interface ${name}Events {\n${service.emits.map(eventType).join('')}}\n`,
    `${doc('Event type → data it listens to.')}export interface ${name}Consumed {\n${service.consumes.map(eventType).join('')}}\n`,
    `export type ${name}Contract = Contract<${quote(service.name)}, ${name}Methods, ${name}Events, ${name}Consumed, Calls>\n`,
    contractValue(service, readStates(model)),
    [
      `export type ${name}Handlers = Handlers<${name}Contract>\n`,
      `export type ${name}Consumers = Consumers<${name}Contract>\n`,
      `export type ${name}Timers = Timers<${name}Contract>\n`,
      `export type ${name}Context = Context<Calls, ${name}Events>\n`,
    ].join(''),
  ]
  const imports = [
    importLine(['Consumers', 'Context', 'Contract', 'Handlers', 'Timers'], '@voipbin/kernel'),
    importLine(
      service.emits.flatMap(event => projectorOf(event) ?? []),
      '../project.ts',
      'value',
    ),
    importLine(options.used, '../schemas.ts'),
    importLine(
      service.operations.map(operation => `${operation.id}Input`),
      `../validators/${service.name}.ts`,
      'value',
    ),
    `import { type Calls, calls } from './calls.ts'\n`,
  ]
  return { path: `rpc/${service.name}.ts`, text: `${header}${imports.join('')}\n${body.join('\n')}` }
}

/** `export interface CreateCallInput …`: path, query and body in one object; what has a default is there. */
function inputDeclaration(operation: Operation, model: Model, used: Set<string>): string {
  const options = { schemas: model.schemas, used }
  const head: Schema = {
    type: 'object',
    properties: Object.fromEntries([...operation.path, ...operation.query].map(field => [field.name, field.schema])),
    required: [...operation.path, ...operation.query].filter(field => field.required).map(field => field.name),
  }
  const comment = doc(operation.summary)
  const name = inputName(operation)
  const own = Object.keys(head.properties ?? {}).length > 0
  if (!operation.body)
    return `${comment}export ${own ? `interface ${name} ${tsBlock(head, options)}` : `type ${name} = Record<never, never>`}\n`
  const { schema, required } = operation.body
  const object = asObject(schema, model.schemas)
  const wrap = (type: string): string => (required ? type : `Partial<${type}>`)
  if (schema.$ref === undefined && object && required) {
    return `${comment}export interface ${name} ${tsBlock({ ...object, properties: { ...head.properties, ...object.properties }, required: [...(head.required ?? []), ...(object.required ?? [])] }, options)}\n`
  }
  const body = wrap(tsType(schema, options))
  if (!own) return `${comment}export type ${name} = ${body}\n`
  if (!object) return `${comment}export type ${name} = ${tsBlock(head, options)} & (${body})\n`
  return `${comment}export interface ${name} extends ${body} ${tsBlock(head, options)}\n`
}

const outputName = (operation: Operation): string => `${pascal(operation.id)}Output`

/** Answers without a name of their own get one. */
function outputDeclaration(operation: Operation, model: Model, used: Set<string>): string {
  const { output } = operation
  if (!output || output.$ref !== undefined) return ''
  const object = asObject(output, model.schemas)
  const options = { schemas: model.schemas, used }
  return object
    ? `export interface ${outputName(operation)} ${tsBlock(object, options)}\n`
    : `export type ${outputName(operation)} = ${tsType(output, options)}\n`
}

function outputType(operation: Operation, used: Set<string>): string {
  const ref = operation.output?.$ref
  if (ref === undefined) return outputName(operation)
  used.add(refName(ref))
  return refName(ref)
}

const errorUnion = (operation: Operation): string => (operation.errors.length === 0 ? 'never' : operation.errors.map(quote).join(' | '))

const methodType = (operation: Operation, { used }: { used: Set<string> }): string =>
  `${doc(operation.summary, '  ')}  ${operation.id}: { input: ${inputName(operation)}; output: ${outputType(operation, used)}; error: ${errorUnion(operation)} }\n`

/** What drops the fields that may not leave with a public event. */
const projectorOf = (event: EventDefinition): string | undefined =>
  event.internal || event.data.$ref === undefined ? undefined : projectorName(refName(event.data.$ref))

function contractValue(service: ServiceMessages, states: readonly StateDefinition[]): string {
  const name = pascal(service.name)
  const methods = service.operations.map(operation => {
    const row = {
      method: operation.method,
      route: operation.route,
      query: operation.query.map(field => field.name),
      timeout_ms: operation.timeout_ms,
    }
    return `    ${operation.id}: { ...${literal(row)}, input: ${operation.id}Input, errors: ${literal(operation.errors)} },\n`
  })
  const emits = service.emits.map(event => {
    const state = states.find(({ from }) => from.includes(event.type))
    const row = literal({
      domain: event.domain,
      resource: event.resource,
      internal: event.internal,
      state: state && { type: state.type, fields: state.fields },
    })
    const project = projectorOf(event)
    return `    ${quote(event.type)}: ${project ? row.replace(/ \}$/, `, project: ${project} }`) : row},\n`
  })
  const consumes = service.consumes.map(event => `    ${quote(event.type)}: ${quote(event.domain)},\n`)
  const block = (rows: string[]): string => (rows.length === 0 ? '{}' : `{\n${rows.join('')}  }`)
  return [
    `export const ${camel(service.name)}Contract: ${name}Contract = {\n`,
    `  name: ${quote(service.name)},\n`,
    `  methods: ${block(methods.map(row => row.replace('{ ...{ ', '{ ').replace(' }, input:', ', input:')))},\n`,
    `  emits: ${block(emits)},\n`,
    `  consumes: ${block(consumes)},\n`,
    '  calls,\n}\n',
  ].join('')
}

/** `rpc/calls.ts`: every operation of every service, as types for the caller and as a table for the runtime. */
export function callsFile(services: ServiceMessages[], model: Model): Output {
  const imports = services
    .filter(service => service.operations.length > 0)
    .map(service => {
      const names = service.operations.map(inputName)
      return importLine([...names, `${pascal(service.name)}Methods`], `./${service.name}.ts`)
    })
  const operations = services.flatMap(service => service.operations).sort((a, b) => (a.id < b.id ? -1 : 1))
  const types = operations.map(operation => callType(operation, model))
  const rows = operations.map(operation => {
    const row = {
      queue: queueOf(operation),
      method: operation.method,
      route: operation.route,
      query: operation.query.map(field => field.name),
      timeout_ms: operation.timeout_ms,
    }
    return `  ${operation.id}: ${literal(row)},\n`
  })
  const text = [
    `${header}${importLine(['CallTable'], '@voipbin/kernel')}${imports.join('')}`,
    `type Optional<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>\ntype WithInput<Row, Input> = Omit<Row, 'input'> & { input: Input }\n`,
    `${doc('Every operation of every service as its caller sees it: what has a default may be left out.')}export interface Calls {\n${types.join('')}}\n`,
    `${doc('How to reach every operation.')}export const calls: Readonly<Record<keyof Calls, CallTable[string]>> = {\n${rows.join('')}}\n`,
  ]
  return { path: 'rpc/calls.ts', text: text.join('\n') }
}

function callType(operation: Operation, model: Model): string {
  const methods = `${pascal(operation.service)}Methods[${quote(operation.id)}]`
  const fields = inputFields(operation, model.schemas) ?? [...operation.path, ...operation.query]
  const optional = fields.filter(field => !field.required && alwaysThere(field, model.schemas)).map(field => quote(field.name))
  if (optional.length === 0) return `  ${key(operation.id)}: ${methods}\n`
  return `  ${key(operation.id)}: WithInput<${methods}, Optional<${inputName(operation)}, ${optional.join(' | ')}>>\n`
}

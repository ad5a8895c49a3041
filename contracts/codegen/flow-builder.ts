import type { Model } from './model.ts'
import { asObject, literalsOf, refName, resolve, type Schema } from './schema.ts'
import { camel, doc, header, importLine, key, type Output, quote } from './text.ts'

interface Target {
  name: string
  schema: Schema
  required: boolean
  /** A map to ids; otherwise one id. */
  isMap: boolean
}
interface FlowAction {
  type: string
  description: string
  /** Schema name of the option. */
  option: string
  optional: boolean
  /** Fields of the option that name other actions. */
  targets: Target[]
}

/** `sdk/flow.ts`: a method for every flow action, with ids and targets as type parameters, so that the compiler sees a target that is not there. */
export function sdkFlowFile(model: Model): Output {
  const actions = flowActions(model)
  const imports = ['Action', ...actions.map(action => action.option)]
  const describe = (schema: string): string => model.schemas.get(schema)?.description ?? ''
  const body = [
    '/** What stands beside the option of an action. */\n' +
      `export interface Placement<I extends string, N extends string> {\n${doc([describe('ActionId'), 'Any name, or a UUID of your own.'], '  ')}  id?: I\n` +
      `${doc(describe('ActionNextId'), '  ')}  next_id?: N | null\n}\n`,
    // As types of `this` they end up in the compiler's message.
    "type Free<I extends string, L extends string> = string extends L ? unknown : [I] extends [never] ? unknown : [I] extends [L] ? `two actions have the id '${I}'` : unknown\n",
    "type Complete<L extends string, T extends string> = string extends T ? unknown : [Exclude<T, L>] extends [never] ? unknown : `no action has the id '${Exclude<T, L>}'`\n",
    `/** A flow so far: \`L\` are the ids it has, \`T\` those it names as targets. */\nexport interface FlowBuilder<L extends string, T extends string> {\n${actions.map(method).join('')}` +
      '  /** The actions, for `flows.create({ actions })` and wherever else a flow goes. Throws when an id is used twice or a target is not there. */\n' +
      '  build(this: Complete<L, T>): Action[]\n}\n',
    '/** Action type → the fields of its option that name other actions. */\n' +
      `export const actionTargets: Readonly<Record<string, readonly string[]>> = {\n${actions.map(({ type, targets }) => `  ${key(type)}: [${targets.map(({ name }) => quote(name)).join(', ')}],\n`).join('')}}\n`,
  ]
  if (actions.length === 0) return { path: 'sdk/flow.ts', text: `${header}\nexport {}\n` }
  return { path: 'sdk/flow.ts', text: `${header}${importLine(imports, './types.ts')}\n${body.join('\n')}` }
}

function flowActions({ schemas }: Model): FlowAction[] {
  return (schemas.get('Action')?.oneOf ?? []).flatMap(variant => {
    const action = asObject(variant, schemas) ?? {}
    const { type, option } = action.properties ?? {}
    const name = type && literalsOf(resolve(type, schemas))?.[0]
    if (typeof name !== 'string' || option?.$ref === undefined) return []
    const target = refName(option.$ref)
    return [
      {
        type: name,
        description: resolve(variant, schemas).description ?? '',
        option: target,
        optional: !action.required?.includes('option'),
        targets: targetsOf(schemas.get(target) ?? {}),
      },
    ]
  })
}

/** Within options, ids of nothing that is a resource are those of actions. */
function targetsOf({ properties = {}, required = [] }: Schema): Target[] {
  const isActionId = (schema: unknown): boolean => (schema as Schema | undefined)?.['x-ref'] === 'none'
  return Object.entries(properties).flatMap(([name, schema]) => {
    const isMap = isActionId(schema.additionalProperties)
    return isMap || isActionId(schema) ? [{ name, schema, required: required.includes(name), isMap }] : []
  })
}

function method({ type, description, option, optional, targets }: FlowAction): string {
  const own = targets.length > 0 ? ['const O extends string = never'] : []
  const parameters = [...own, 'const I extends string = never', 'const N extends string = never'].join(', ')
  const fields = targets.map(({ name, schema, required, isMap }) => {
    const nullable = [schema.type].flat().includes('null')
    const line = `      ${key(name)}${required ? '' : '?'}: ${isMap ? 'Readonly<Record<string, O>>' : `O${nullable ? ' | null' : ''}`}\n`
    return `${doc(schema.description ?? '', '      ')}${line}`
  })
  const names = targets.map(({ name }) => quote(name)).join(' | ')
  const optionType = targets.length > 0 ? `Omit<${option}, ${names}> & {\n${fields.join('')}    }` : option
  const result = `FlowBuilder<L | I, T | N${targets.length > 0 ? ' | O' : ''}>`
  return (
    `${doc(description, '  ')}  ${camel(type)}<${parameters}>(\n    this: Free<I, L>,\n    option${optional ? '?' : ''}: ${optionType},\n` +
    `    place?: Placement<I, N>,\n  ): ${result}\n`
  )
}

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from './generate.ts'
import { type Json, lookup } from './json.ts'

type Node = Record<string, Json>
/** Who writes a value: what a client sends may only be asked for less, what it gets may only become more. */
type Direction = 'sent' | 'received'
interface Pair {
  before: Node
  after: Node
}

const baselineFile = path.join(root, 'contracts/baseline/openapi.json')
const verbs = ['get', 'post', 'put', 'patch', 'delete']

const isNode = (value: Json | undefined): value is Node => value !== null && typeof value === 'object' && !Array.isArray(value)
const nodeOf = (value: Json | undefined): Node => (isNode(value) ? value : {})
const listOf = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : [])
const words = (value: Json | undefined): string[] => listOf(value).map(String)
const majorOf = (document: Node): number => Number.parseInt(String(nodeOf(document.info).version), 10)

/** What `after` takes away from clients of `before`, one line each. Nothing is said when it is a new major version. */
export function breakingChanges(before: Node, after: Node): string[] {
  if (majorOf(after) > majorOf(before)) return []
  return new Comparison(before, after).all()
}

/** The check's step: the document against the one last released. */
export function checkBaseline(text: string): string[] {
  const changes = breakingChanges(JSON.parse(readFileSync(baselineFile, 'utf8')) as Node, JSON.parse(text) as Node)
  return changes.length === 0
    ? []
    : [...changes, 'keep what was, raise the major version, or accept it (node contracts/codegen/breaking.ts --accept)']
}

class Comparison {
  readonly #before: Node
  readonly #after: Node
  readonly #found = new Set<string>()
  /** Pairs of references under comparison or done, so that a schema that holds itself ends. */
  readonly #seen = new Set<string>()

  constructor(before: Node, after: Node) {
    this.#before = before
    this.#after = after
  }

  all(): string[] {
    const paths = { before: nodeOf(this.#before.paths), after: nodeOf(this.#after.paths) }
    for (const [name, item] of Object.entries(paths.before)) {
      for (const verb of verbs) {
        const before = nodeOf(item)[verb]
        if (!isNode(before)) continue
        const after = nodeOf(paths.after[name])[verb]
        const where = `${verb.toUpperCase()} ${name}`
        if (isNode(after)) this.#operation(where, { before, after }, nodeOf(item), nodeOf(paths.after[name]))
        else this.#found.add(`${where} is gone`)
      }
    }
    this.#webhooks()
    return [...this.#found]
  }

  #webhooks(): void {
    const after = nodeOf(this.#after.webhooks)
    for (const [name, item] of Object.entries(nodeOf(this.#before.webhooks))) {
      if (!isNode(after[name])) this.#found.add(`webhook ${name} is gone`)
      else this.#media(`webhook ${name}`, bodies(item, after[name]), 'received')
    }
  }

  #operation(where: string, { before, after }: Pair, ...items: [Node, Node]): void {
    if (before.operationId !== after.operationId) this.#found.add(`${where}: operationId ${before.operationId} became ${after.operationId}`)
    this.#parameters(where, { before: this.#named(before, items[0], this.#before), after: this.#named(after, items[1], this.#after) })
    if (after.requestBody !== undefined && nodeOf(after.requestBody).required === true && nodeOf(before.requestBody).required !== true)
      this.#found.add(`${where}: a body is required now`)
    if (before.requestBody !== undefined && after.requestBody === undefined) this.#found.add(`${where}: takes no body any more`)
    this.#media(`${where} body`, { before: nodeOf(before.requestBody), after: nodeOf(after.requestBody) }, 'sent')
    const answers = nodeOf(after.responses)
    for (const [code, response] of Object.entries(nodeOf(before.responses))) {
      if (!code.startsWith('2')) continue
      if (isNode(answers[code])) this.#media(`${where} ${code}`, { before: nodeOf(response), after: answers[code] }, 'received')
      else this.#found.add(`${where}: does not answer ${code} any more`)
    }
  }

  #named(operation: Node, item: Node, document: Node): Node {
    const all = [...listOf(item.parameters), ...listOf(operation.parameters)].map(one => nodeOf(follow(one, document)))
    return Object.fromEntries(all.map(one => [`${one.in} parameter ${one.name}`, one]))
  }

  #parameters(where: string, { before, after }: Pair): void {
    for (const [name, one] of Object.entries(before)) {
      const now = after[name]
      if (!isNode(now)) this.#found.add(`${where}: ${name} is gone`)
      else this.#schema(`${where} ${name}`, nodeOf(one).schema, now.schema, 'sent')
    }
    for (const [name, one] of Object.entries(after))
      if (nodeOf(one).required === true && nodeOf(before[name]).required !== true) this.#found.add(`${where}: ${name} is required now`)
  }

  #media(where: string, { before, after }: Pair, direction: Direction): void {
    for (const [type, media] of Object.entries(nodeOf(before.content))) {
      const now = nodeOf(after.content)[type]
      if (isNode(now)) this.#schema(where, nodeOf(media).schema, now.schema, direction)
      else this.#found.add(`${where}: ${type} is gone`)
    }
  }

  #schema(where: string, first: Json | undefined, second: Json | undefined, direction: Direction): void {
    if (first === undefined || second === undefined) return
    const refs = [nodeOf(first).$ref, nodeOf(second).$ref].map(String)
    if (refs[0] !== 'undefined') {
      const pair = [direction, ...refs].join(' ')
      if (this.#seen.has(pair)) return
      this.#seen.add(pair)
    }
    const name = refs[0] === 'undefined' ? where : `schema ${refs[0]?.split('/').at(-1)} (${direction})`
    this.#resolved(name, { before: nodeOf(follow(first, this.#before)), after: nodeOf(follow(second, this.#after)) }, direction)
  }

  #resolved(where: string, { before, after }: Pair, direction: Direction): void {
    const types = { before: typesOf(before), after: typesOf(after) }
    const lost = direction === 'sent' ? missing(types.before, types.after) : missing(types.after, types.before)
    if (types.before.length > 0 && types.after.length > 0 && lost.length > 0)
      this.#found.add(`${where}: type ${types.before.join('|')} became ${types.after.join('|')}`)
    for (const value of after.enum === undefined ? [] : missing(words(before.enum), words(after.enum)))
      this.#found.add(`${where}: the value ${value} is gone`)
    if (direction === 'sent' && after.enum !== undefined && before.enum === undefined && !('const' in before))
      this.#found.add(`${where}: only some values are taken now`)
    this.#properties(where, { before, after }, direction)
    if (before.items !== undefined) this.#schema(`${where}/*`, before.items, after.items, direction)
    if (isNode(before.additionalProperties)) this.#schema(`${where}/*`, before.additionalProperties, after.additionalProperties, direction)
    this.#variants(where, { before, after }, direction)
  }

  #properties(where: string, { before, after }: Pair, direction: Direction): void {
    const now = nodeOf(after.properties)
    for (const [name, property] of Object.entries(nodeOf(before.properties))) {
      if (now[name] === undefined) this.#found.add(`${where}/${name} is gone`)
      else this.#schema(`${where}/${name}`, property, now[name], direction)
    }
    const [from, to] = direction === 'sent' ? [before, after] : [after, before]
    const change = direction === 'sent' ? 'is required now' : 'may be left out now'
    for (const name of missing(words(to.required), words(from.required)))
      if (direction === 'sent' || now[name] !== undefined) this.#found.add(`${where}/${name} ${change}`)
  }

  /** Variants are told apart by the schema they name. */
  #variants(where: string, { before, after }: Pair, direction: Direction): void {
    for (const word of ['oneOf', 'anyOf', 'allOf']) {
      const now = listOf(after[word])
      listOf(before[word]).forEach((variant, at) => {
        const ref = nodeOf(variant).$ref
        const twin = ref === undefined ? now[at] : now.find(one => nodeOf(one).$ref === ref)
        if (twin === undefined) this.#found.add(`${where}: ${word} ${ref ?? at} is gone`)
        else this.#schema(`${where}/${word}/${at}`, variant, twin, direction)
      })
    }
  }
}

const missing = (all: readonly string[], those: readonly string[]): string[] => all.filter(one => !those.includes(one))
const typesOf = (schema: Node): string[] => (typeof schema.type === 'string' ? [schema.type] : words(schema.type))
const bodies = (before: Json | undefined, after: Json | undefined): Pair => ({
  before: nodeOf(nodeOf(nodeOf(before).post).requestBody),
  after: nodeOf(nodeOf(nodeOf(after).post).requestBody),
})

function follow(node: Json | undefined, document: Node): Json | undefined {
  const ref = nodeOf(node).$ref
  return typeof ref === 'string' ? follow(lookup(document, ref.slice(1)), document) : node
}

if (import.meta.main) {
  const generated = readFileSync(path.join(root, 'generated/openapi.json'), 'utf8')
  if (process.argv.includes('--accept')) writeFileSync(baselineFile, generated)
  const problems = checkBaseline(generated)
  for (const problem of problems) console.log(problem)
  process.exitCode = problems.length === 0 ? 0 : 1
}

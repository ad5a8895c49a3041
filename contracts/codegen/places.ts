import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { isNode, LineCounter, parseDocument } from 'yaml'
import type { Problem } from './document.ts'
import { unescapeStep } from './json.ts'

/** Problems as lines that an editor can open: `contracts/openapi/number.yaml:112 POST /v1.0/contacts (createContact): …`. */
export const described = (problems: readonly Problem[], contracts: string): string[] =>
  problems.map(({ file, where, message }) => {
    const name = path.join(contracts, file)
    const text = file.endsWith('.yaml') && existsSync(name) && where !== '' ? readFileSync(name, 'utf8') : ''
    const line = lineOf(text, where)
    return `contracts/${file}${line === undefined ? '' : `:${line}`}${where ? ` ${readable(where)}` : ''}: ${message}`
  })

const readable = (where: string): string => (where.startsWith('/') ? where.split('/').slice(1).map(unescapeStep).join(' › ') : where)

/** The line, from 1, of the innermost named thing that `where` speaks of; undefined when the text has none of them. */
export function lineOf(text: string, where: string): number | undefined {
  if (where.startsWith('/')) return lineOfPointer(text, where)
  const lines = text.split('\n')
  let line: number | undefined
  for (const step of stepsOf(where)) {
    const found = lines.findIndex((content, at) => at >= (line ?? 0) && mentions(content, step))
    if (found < 0) break
    line = found + 1
  }
  return line
}

/** Of the deepest node there is on the way. */
function lineOfPointer(text: string, pointer: string): number | undefined {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter })
  for (let steps = pointer.split('/').slice(1).map(unescapeStep); steps.length > 0; steps = steps.slice(0, -1)) {
    const node = document.getIn(steps, true)
    if (isNode(node) && node.range) return counter.linePos(node.range[0]).line
  }
  return undefined
}

const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const mentions = (content: string, step: string): boolean =>
  new RegExp(`^\\s*(- )?['"]?${quote(step)}['"]?:|operationId: ${quote(step)}$|[{,] name: ${quote(step)},`).test(content)

/** The names to look for one after another. */
function stepsOf(where: string): string[] {
  const route = /^[A-Z]+ (\/\S+)(?: \((\w*)\))?/.exec(where)
  if (route) return [route[1] ?? '', where.split(' ')[0]?.toLowerCase() ?? '', ...(route[2] ? [route[2]] : [])]
  const field = /^(\w+) (?:parameter|\/\S*)$/.exec(where)
  if (field) return [field[1] ?? '']
  const named = /^(schema|event) (\S+)(?: (\S+))?/.exec(where)
  const parts = named
    ? [...(named[1] === 'schema' ? ['schemas'] : []), named[2] ?? '', ...(named[3] ?? '').split('/')]
    : where.split(/[ /]+/)
  return parts.filter(part => part !== '' && part !== '*')
}

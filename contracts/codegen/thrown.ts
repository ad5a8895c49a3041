import { readFileSync } from 'node:fs'
import path from 'node:path'
import { sourceFiles } from './boundaries.ts'
import { type Model, notFoundReason, type Operation } from './model.ts'
import { generalReasons } from './reasons.ts'

/** The sources of one service, as far as reasons go. */
export interface Speaker {
  service: string
  text: string
}

const homes: readonly [RegExp, (match: RegExpExecArray) => string][] = [
  [/^services\/([^/]+)\/.+\.ts$/, match => match[1] ?? ''],
  [/^voip\/proxies\/([^/]+)\/.+\.ts$/, match => match[1] ?? ''],
  [/^server\/gateway\/src\/.+\.ts$/, () => 'gateway'],
]
const isProgram = (file: string): boolean => !/\.test\.ts$|-(fixture|process)\.ts$|\/tests?\//.test(file)

/** Every service's own sources, and the gateway's. */
export function speakers(root: string): Speaker[] {
  const texts = new Map<string, string>()
  for (const file of sourceFiles(root).filter(isProgram)) {
    for (const [pattern, nameOf] of homes) {
      const match = pattern.exec(file)
      if (match) texts.set(nameOf(match), `${texts.get(nameOf(match)) ?? ''}\n${readFileSync(path.join(root, file), 'utf8')}`)
    }
  }
  return [...texts].map(([service, text]) => ({ service, text }))
}

const namesIn = (text: string, pattern: RegExp): Set<string> => new Set([...text.matchAll(pattern)].map(match => match[1] ?? ''))
/** `ctx.error('CALL_NOT_ACTIVE'…`, `new AppError('…`, `refuse('…`. */
const thrown = (text: string): Set<string> => namesIn(text, /\b(?:error|AppError|refuse)\(\s*'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)'/g)
const mentioned = (text: string): Set<string> => namesIn(text, /'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'/g)
/** `ctx.call('reserveBilling'…`, and whatever else looks like an operationId. */
const called = (text: string): Set<string> => namesIn(text, /'([a-z][A-Za-z0-9]*)'/g)
/** `repo(table, { resource: 'call' …`: the kernel answers for it. */
const kept = (text: string): Set<string> => namesIn(text, /\bresource: '([a-z][a-z0-9_]*)'/g)

/**
 * What services throw against what the contract declares, both ways: a reason that nobody declared (callers cannot know it), one that an
 * operation declares and nothing on its way can answer, and one of the catalogue that nobody uses.
 */
export function checkReasons(model: Model, all: readonly Speaker[]): string[] {
  const byName = new Map(all.map(({ service, text }) => [service, text]))
  const operations = new Map(model.operations.map(operation => [operation.id, operation]))
  return [...undeclared(model, all), ...unreachable(model, byName, operations), ...unused(model, byName.get('gateway') ?? '')]
}

/** The service whose handlers answer an operation. */
function answerer(operation: Operation, operations: ReadonlyMap<string, Operation>): string {
  if (operation.kind === 'internal') return operation.service
  if (operation.override) return 'gateway'
  return operations.get(operation.rpc ?? '')?.service ?? operation.service
}

function undeclared(model: Model, all: readonly Speaker[]): string[] {
  return all.flatMap(({ service, text }) => {
    const own = model.operations.filter(operation => operation.service === service).flatMap(operation => operation.errors)
    const declared = new Set(service === 'gateway' ? Object.keys(model.errors) : own)
    const strange = [...thrown(text)].filter(reason => !declared.has(reason) && !generalReasons.has(reason))
    return strange.map(
      reason => `${service} throws ${reason}, which none of its operations declares; add it to the x-errors of the operation`,
    )
  })
}

function unreachable(model: Model, byName: ReadonlyMap<string, string>, operations: ReadonlyMap<string, Operation>): string[] {
  return model.operations.flatMap(operation => {
    const service = answerer(operation, operations)
    const text = byName.get(service)
    // Not written yet.
    if (text === undefined) return []
    const gateway = byName.get('gateway') ?? ''
    const said = new Set([...mentioned(text), ...mentioned(gateway)])
    for (const id of called(text)) for (const reason of operations.get(id)?.errors ?? []) said.add(reason)
    for (const resource of [...kept(text), ...operation.refs.map(ref => ref.resource)]) said.add(notFoundReason(resource))
    const empty = operation.ownErrors.filter(reason => !said.has(reason))
    return empty.map(
      reason =>
        `contracts/${operation.file} ${operation.id}: nothing on its way answers ${reason}; throw it in ${service}, or take it out of x-errors`,
    )
  })
}

function unused(model: Model, gateway: string): string[] {
  const used = new Set([...model.operations.flatMap(operation => operation.errors), ...mentioned(gateway), ...generalReasons])
  return Object.keys(model.errors)
    .filter(reason => !used.has(reason))
    .map(
      reason =>
        `contracts/${model.reasonFiles.get(reason) ?? 'errors.yaml'}: no operation declares ${reason}; take it out, or add it to the x-errors of one`,
    )
}

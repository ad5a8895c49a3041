import type { Model } from './model.ts'
import type { Speaker } from './thrown.ts'

const kept = (text: string): Set<string> => {
  const repos = [...text.matchAll(/\bresource: '([a-z][a-z0-9_]*)'/g)].map(match => match[1] ?? '')
  const others = [...text.matchAll(/\bresources: \{([^}]*)\}/g)].flatMap(match =>
    [...(match[1] ?? '').matchAll(/(\w+):/g)].map(one => one[1] ?? ''),
  )
  return new Set([...repos, ...others])
}

/** What a contract promises that no code of its service does: events nobody sends, resources nobody keeps. */
export function checkWired(model: Model, all: readonly Speaker[]): string[] {
  const texts = new Map(all.map(({ service, text }) => [service, text]))
  const silent = model.events.flatMap(({ type, service, file }) => {
    const text = texts.get(service)
    // A proxy makes the names of its events from those of the wire.
    if (!text?.includes('.emit(') || new RegExp(`['"\`]${type.replace('.', '\\.')}['"\`]`).test(text)) return []
    return [`contracts/${file}: services/${service} never sends ${type}; emit it where it happens, or take it out`]
  })
  const asked = new Set(model.operations.flatMap(({ refs }) => refs.map(ref => ref.resource)))
  const homeless = [...model.resources].flatMap(([resource, { service }]) => {
    const text = texts.get(service)
    if (text === undefined || !asked.has(resource) || !model.operations.some(one => one.kind === 'public' && one.service === service))
      return []
    if (kept(text).has(resource)) return []
    return [`services/${service}: nothing keeps the resource ${resource}; give a repo of schema.ts { resource: '${resource}' }`]
  })
  return [...silent, ...homeless]
}

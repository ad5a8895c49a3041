import { ContractError } from './document.ts'
import type { Json } from './json.ts'
import { type ErrorReason, loadSources, type Sources } from './load.ts'
import { type Model, missingReason, notFoundReason, type Operation, sharedDocuments } from './model.ts'
import { readEvents, readInternalOperations } from './model-bus.ts'
import { readPublicOperations } from './model-http.ts'

export function loadModel(root: string): Model {
  return buildModel(loadSources(root))
}

/** Rejects documents that cannot be read: bad YAML, dangling references, names used twice. */
export function buildModel(sources: Sources): Model {
  const { documents, reasonFiles, problems } = sources
  if (problems.length > 0) throw new ContractError(problems)
  const schemas = new Map([...sources.schemas].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { schema }]) => [name, schema]))
  const resources = findResources(sources)
  const operations: Operation[] = []
  for (const document of documents) {
    if (document.kind === 'openapi') operations.push(...readPublicOperations(document, documents, schemas))
    else operations.push(...readInternalOperations(document, documents, schemas, problems))
  }
  for (const operation of operations) {
    operation.errors = [...new Set([...operation.ownErrors, ...operation.refs.map(ref => notFoundReason(ref.resource))])].sort()
  }
  const errors = { ...missingReasons(operations, resources), ...sources.errors }
  operations.sort((a, b) => (a.id < b.id ? -1 : 1))
  const { events, consumed } = readEvents(documents, schemas, problems)
  if (problems.length > 0) throw new ContractError(problems)
  const services = [...new Set(documents.map(document => document.service))].filter(name => !sharedDocuments.has(name)).sort()
  return { services, documents, errors, reasonFiles, schemas, schemaOwner: sources.schemas, operations, events, consumed, resources }
}

function missingReasons(operations: readonly Operation[], resources: Model['resources']): Record<string, ErrorReason> {
  const answered = new Set(operations.flatMap(operation => operation.errors))
  const names = [...resources.keys()].filter(resource => answered.has(notFoundReason(resource)))
  return Object.fromEntries(names.map(resource => [notFoundReason(resource), missingReason(resource)]))
}

const flatName = (name: string): string => name.replaceAll('_', '').toLowerCase()

/** A resource is a schema with an `id` that some `x-ref` names. */
function findResources(sources: Sources): Model['resources'] {
  const byFlatName = new Map([...sources.schemas].map(([name, { service }]) => [flatName(name), { schema: name, service }]))
  const wanted = new Set<string>()
  const visit = (node: Json): void => {
    if (node === null || typeof node !== 'object') return
    if (!Array.isArray(node) && typeof node['x-ref'] === 'string' && node['x-ref'] !== 'none') wanted.add(node['x-ref'])
    for (const child of Object.values(node)) visit(child)
  }
  for (const document of sources.documents) visit(document.content)
  const found = new Map<string, { schema: string; service: string }>()
  for (const resource of [...wanted].sort()) {
    const schema = byFlatName.get(flatName(resource))
    if (schema) found.set(resource, schema)
  }
  return found
}

import { type Document, deref, text } from './document.ts'
import type { Json } from './json.ts'
import { type Field, findRefs, type Method, type PublicOperation } from './model.ts'
import type { Schema, Schemas } from './schema.ts'

const methods: Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Operations that the gateway answers. */
export function readPublicOperations(document: Document, documents: Document[], schemas: Schemas): PublicOperation[] {
  const found: PublicOperation[] = []
  for (const [httpPath, item] of Object.entries((document.content.paths ?? {}) as Record<string, Record<string, Json>>)) {
    for (const method of methods) {
      const raw = item[method.toLowerCase()] as Record<string, Json> | undefined
      if (!raw) continue
      const parameters = [...((item.parameters ?? []) as Json[]), ...((raw.parameters ?? []) as Json[])].map(
        node => deref(node, documents, 'openapi') as unknown as Parameter,
      )
      found.push(publicOperation({ document, httpPath, method, raw, parameters, schemas }))
    }
  }
  return found
}

interface Parameter {
  name: string
  in: string
  required?: boolean
  schema: Schema
  description?: string
}

interface Source {
  document: Document
  httpPath: string
  method: Method
  raw: Record<string, Json>
  parameters: Parameter[]
  schemas: Schemas
}

function publicOperation({ document, httpPath, method, raw, parameters, schemas }: Source): PublicOperation {
  const field = (p: Parameter): Field => ({
    name: p.name,
    schema: p.description && !p.schema.description ? { ...p.schema, description: p.description } : p.schema,
    required: p.required === true,
  })
  const path = parameters.filter(p => p.in === 'path').map(field)
  const query = parameters.filter(p => p.in === 'query').map(field)
  const requestBody = raw.requestBody as { required?: boolean; content?: Record<string, { schema: Schema }> } | undefined
  const json = requestBody?.content?.['application/json']?.schema
  const body = json && { schema: json, required: requestBody?.required === true }
  const responses = (raw.responses ?? {}) as Record<string, { content?: Record<string, { schema: Schema }> }>
  const status = Number(Object.keys(responses).find(code => code.startsWith('2')) ?? 0)
  return {
    kind: 'public',
    id: text(raw.operationId),
    service: document.service,
    file: document.file,
    where: `${method} ${httpPath}`,
    method,
    httpPath,
    route: httpPath.replace(/^\/v1\.0\//, '/v1/'),
    tag: text((raw.tags as Json[] | undefined)?.[0]),
    summary: text(raw.summary),
    description: text(raw.description),
    path,
    query,
    body,
    output: responses[status]?.content?.['application/json']?.schema,
    status,
    permission: text(raw['x-permission']),
    owner: text(raw['x-owner']),
    rateLimit: text(raw['x-rate-limit']),
    ownErrors: (raw['x-errors'] ?? []) as string[],
    errors: [],
    refs: findRefs({ path, query, body }, schemas),
    override: raw['x-override'] === true,
    rpc: typeof raw['x-rpc'] === 'string' ? raw['x-rpc'] : undefined,
    idempotent: method === 'POST' && raw['x-idempotent'] === undefined,
    sdkName: typeof raw['x-sdk'] === 'string' ? raw['x-sdk'] : undefined,
    timeout_ms: Number(raw['x-timeout'] ?? 30) * 1000,
    raw,
  }
}

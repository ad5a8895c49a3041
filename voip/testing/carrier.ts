import { portBlock } from './ports.ts'
import type { EdgeInstance, Stack } from './stack.ts'

/** Calls a JSON-RPC method of an edge. Throws when it answers an error. */
export async function edgeRpc(edge: EdgeInstance, method: string, params: readonly unknown[] = []): Promise<unknown> {
  const headers = { authorization: `Bearer ${edge.token}` }
  const request = JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 })
  const answer = await fetch(`${edge.control}/rpc`, { method: 'POST', headers, body: request })
  const body = (await answer.json()) as { result?: unknown; error?: { message: string } }
  if (body.error !== undefined) throw new Error(`${method}: ${body.error.message}`)
  return body.result
}

/** Makes one port of 127.0.0.1 a carrier's and tells every edge. */
export async function addCarrier(stack: Stack, provider_id: string): Promise<number> {
  const port = (await portBlock(1)).next()
  await stack.sql(`INSERT INTO address (grp, ip_addr, mask, port, tag) VALUES (1, '127.0.0.1', 32, ${port}, '${provider_id}');`)
  for (const edge of stack.edges) await edgeRpc(edge, 'permissions.addressReload')
  return port
}

/** Adds an extension; gives its domain. */
export async function addExtension(stack: Stack, customer_id: string, extension: string, password: string): Promise<string> {
  const domain = `${customer_id}.registrar.${stack.domain}`
  await stack.sql(
    `INSERT INTO subscriber (username, domain, ha1) VALUES ('${extension}', '${domain}', MD5('${extension}:${domain}:${password}'));`,
  )
  return domain
}

/** `voipbin_edge_refused_total` by reason. */
export async function refused(edge: EdgeInstance): Promise<Record<string, number>> {
  const text = await (await fetch(`${edge.control}/metrics`)).text()
  const found = [...text.matchAll(/^voipbin_edge_refused_total\s*\{reason="(\w+)"\} (\d+)/gm)]
  return Object.fromEntries(found.map(([, reason, count]) => [reason, Number(count)]))
}

/** Calls that RTPEngine has media for at the moment. */
export async function mediaSessions(stack: Stack): Promise<number> {
  const text = await (await fetch(`${stack.rtpengine.http}/metrics`)).text()
  return Number(/^rtpengine_sessions\{type="own"\} (\d+)/m.exec(text)?.[1] ?? Number.NaN)
}

/** Requests to one endpoint at the same time, from this process: a slow one must not take the place of the others. */
const perEndpoint = 8

const flying = new Map<string, number>()
const waiting = new Map<string, string[]>()

/** A place for a request to the endpoint. False: all are taken, and the delivery is in the queue for the next that is free. */
export function enter(endpoint: string, delivery_id: string): boolean {
  const count = flying.get(endpoint) ?? 0
  if (count < perEndpoint) {
    flying.set(endpoint, count + 1)
    return true
  }
  const queue = waiting.get(endpoint) ?? []
  queue.push(delivery_id)
  waiting.set(endpoint, queue)
  return false
}

/** Who waits longest for a place. */
export const nextOf = (endpoint: string): string | undefined => waiting.get(endpoint)?.shift()

export function leave(endpoint: string): void {
  const left = (flying.get(endpoint) ?? 1) - 1
  if (left > 0) flying.set(endpoint, left)
  else {
    flying.delete(endpoint)
    waiting.delete(endpoint)
  }
}

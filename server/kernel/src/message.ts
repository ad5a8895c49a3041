import { hash } from 'node:crypto'

/** One delivery of a request, event or timer: counts what it has done, so that the same delivery again counts the same. */
export class Message {
  readonly id: string
  /** Its transactions are recorded and answered from the record when it comes again. False for reads and jobs. */
  readonly recorded: boolean
  #steps = 0
  #calls = 0

  constructor(id: string, recorded: boolean) {
    this.id = id
    this.recorded = recorded
  }

  /** The number of the next transaction, from 1. */
  nextStep(): number {
    return ++this.#steps
  }

  /**
   * The message id of the next request this one sends: the same every time the message is handled, so that the whole chain is idempotent.
   * The operation is part of it: a handler that takes another way the second time must not be answered with somebody else's result.
   */
  nextCallId(operation: string): string {
    return derivedId(this.id, `${operation}#${++this.#calls}`)
  }
}

/** An id in the shape of a UUIDv8 (RFC 9562) that depends on the parent and the name only. */
export function derivedId(parent: string, name: string): string {
  const hex = hash('sha1', `${parent}/${name}`)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

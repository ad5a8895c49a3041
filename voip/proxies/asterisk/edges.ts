import { AriError, type AsteriskPort } from './port.ts'

/** Chooses the edge a call leaves through: in turn, those Asterisk cannot reach left out. */
export class EdgePicker {
  #port: AsteriskPort
  #edges: readonly string[]
  #next = 0

  /** `edges`: names of PJSIP endpoints, at least one. */
  constructor(port: AsteriskPort, edges: readonly string[]) {
    this.#port = port
    this.#edges = edges
  }

  /** With none reachable the next one is tried all the same: its state may be old. */
  async pick(): Promise<string> {
    const turn = this.#next++
    const inTurn = this.#edges.map((_, i) => this.#edges[(turn + i) % this.#edges.length] ?? '')
    const [first = ''] = inTurn
    if (inTurn.length === 1) return first
    for (const edge of inTurn) if (await this.#reachable(edge)) return edge
    return first
  }

  async #reachable(edge: string): Promise<boolean> {
    try {
      return (await this.#port.request('endpoints.get', { tech: 'PJSIP', resource: edge })).state === 'online'
    } catch (error) {
      if (error instanceof AriError) return false
      throw error
    }
  }
}

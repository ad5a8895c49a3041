/**
 * What the proxy uses of `ari-client` 2.2.0. Its operations are made at run time from Asterisk's own documents, so that their types are ours
 * (`ari-types.ts`). The names with an underscore are no interface of the package's, of which no version is to be expected.
 */
declare module 'ari-client' {
  import type WebSocket from 'ws'

  export type Operation = (params: Record<string, unknown>) => PromiseLike<unknown>

  export interface Client {
    /** Opens the events socket, at once. Settles with the first connection, or never. */
    start(apps: string, subscribeAll: boolean): PromiseLike<void>
    on(event: '*', listener: (event: unknown) => void): this
    _ws: WebSocket
    /** True: the next end of the socket is on purpose and not followed by a new one. */
    _wsClosed: boolean
    /** `client.channels.hangup(...)`: a resource's operations, as this Asterisk has them. */
    [resource: string]: unknown
  }

  /** Asks Asterisk at `http://host:port` for the description of everything it can do. */
  export function connect(url: string, user: string, password: string): PromiseLike<Client>
}

import type { Caller } from '@voipbin/kernel'

/** The part of the kernel's RPC client that the gateway uses. */
export interface Rpc {
  call(caller: Caller, operation: string, input: object, options?: { message_id?: string; timeout_ms?: number }): Promise<unknown>
  ownerOf(caller: Caller, service: string, resource: string, id: string): Promise<string | null>
}

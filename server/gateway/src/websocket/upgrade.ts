import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { AppError, Logger } from '@voipbin/kernel'
import { WebSocketServer } from 'ws'
import { readCredential } from '../credentials.ts'
import { asAnswer, fail, isSocketPath } from '../errors.ts'
import { requestIdOf } from '../exchange.ts'
import { rawAnswer } from '../http-server.ts'
import type { Identity } from '../identity.ts'
import { Client } from './client.ts'
import type { Hub } from './hub.ts'
import { maxFrameBytes, type Protocol } from './protocol.ts'

export interface UpgradeOptions {
  hub: Hub
  protocol: Protocol
  /** Origins that browsers may connect from; `*` for all. */
  origins: readonly string[]
  /** Checks credentials and session; rejects with an AppError. */
  authenticate(incoming: IncomingMessage, request_id: string): Promise<Identity>
  log: Logger
}

/** Turns HTTP upgrades into sockets of the hub. A refusal is an HTTP answer with the platform's error body. */
export function createUpgrade({
  hub,
  protocol,
  origins,
  authenticate,
  log,
}: UpgradeOptions): (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void {
  // No compression: frames are built once for all sockets.
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: maxFrameBytes, clientTracking: false })
  // Both subprotocol and extension requests of clients are ignored; a malformed handshake is answered by ws itself.

  const accept = (incoming: IncomingMessage, socket: Duplex, head: Buffer, request_id: string, identity: Identity | undefined): void => {
    server.handleUpgrade(incoming, socket, head, websocket => {
      const client = new Client(websocket, socket as Socket, request_id, Date.now())
      hub.add(client)
      protocol.attach(client, identity)
    })
  }

  return (incoming, socket, head) => {
    const request_id = requestIdOf(incoming)
    const refuse = (error: AppError): void => {
      log.info('socket refused', { request_id, reason: error.reason })
      rawAnswer(socket, error, request_id)
    }
    socket.on('error', error => log.debug('socket broke during its handshake', { request_id, err: error }))
    const url = incoming.url ?? ''
    const path = url.split('?', 1)[0] ?? ''
    if (!isSocketPath(path)) return refuse(fail.pathNotFound(path))
    if (incoming.headers.upgrade?.toLowerCase() !== 'websocket')
      return refuse(fail.invalid('Only upgrades to websocket are known here.', { field: '/Upgrade', rule: 'enum', expected: 'websocket' }))
    const { origin } = incoming.headers
    if (origin !== undefined && !origins.includes('*') && !origins.includes(origin))
      return refuse(fail.permissionDenied(`origin ${origin}`))
    let hasCredential: boolean
    try {
      hasCredential = readCredential(incoming.headers, url) !== undefined
    } catch (error) {
      return refuse(asAnswer(error))
    }
    if (!hasCredential) return accept(incoming, socket, head, request_id, undefined)
    authenticate(incoming, request_id).then(
      identity => accept(incoming, socket, head, request_id, identity),
      error => refuse(asAnswer(error)),
    )
  }
}

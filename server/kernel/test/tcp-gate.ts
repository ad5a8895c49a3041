import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A door before a server: shut it and every connection through it breaks, and new ones are refused. */
export interface Gate extends AsyncDisposable {
  readonly port: number
  shut(): void
  open(): void
  /** Lets bytes neither in nor out, without closing anything: a peer that has vanished. */
  freeze(): void
}

export async function gateTo(port: number): Promise<Gate> {
  const sockets = new Set<Socket>()
  let isOpen = true
  const server = createServer(inside => {
    if (!isOpen) return inside.destroy()
    const outside = connect(port, '127.0.0.1')
    for (const [a, b] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(a)
      a.setNoDelay(true)
      a.pipe(b)
      a.on('error', () => b.destroy())
      a.on('close', () => {
        sockets.delete(a)
        b.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const shut = () => {
    isOpen = false
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    shut,
    open: () => {
      isOpen = true
    },
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause()
    },
    [Symbol.asyncDispose]: async () => {
      shut()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The URL with another port, on this machine. */
export function through(url: string, gate: Gate): string {
  const changed = new URL(url)
  changed.hostname = '127.0.0.1'
  changed.port = String(gate.port)
  return changed.href
}

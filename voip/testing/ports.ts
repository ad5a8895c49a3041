import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

export interface PortBlock {
  first: number
  next(): number
}

/** A block of `size` consecutive ports between 30000 and 59999 whose first, middle and last are free on loopback, TCP and UDP. */
export async function portBlock(size: number, options: { even?: boolean } = {}): Promise<PortBlock> {
  for (let attempt = 0; attempt < 50; attempt++) {
    let first = randomInt(30_000, 60_000 - size)
    if (options.even) first -= first % 2
    const probes = await Promise.all(
      [...new Set([first, first + (size >> 1), first + size - 1])].flatMap(port => [tcpFree(port), udpFree(port)]),
    )
    if (!probes.every(Boolean)) continue
    let used = 0
    return {
      first,
      next() {
        if (used >= size) throw new Error('port block used up')
        return first + used++
      },
    }
  }
  throw new Error('no free ports')
}

function tcpFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function udpFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createSocket('udp4')
    socket.once('error', () => resolve(false))
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)))
  })
}

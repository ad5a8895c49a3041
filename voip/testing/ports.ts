import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

export interface PortBlock {
  first: number
  next(): number
}

/** Above the platform's own block and below the ports the kernel gives to outgoing connections in the tests' namespace; half for each test worker. */
const half = 14_000
const lowest = 22_000 + (Number(process.env.VITEST_POOL_ID ?? 0) % 2) * half
let next = lowest + randomInt(half / 2)

/** A block of `size` consecutive ports that nobody was given before and that are free on loopback, TCP and UDP. */
export async function portBlock(size: number, options: { even?: boolean } = {}): Promise<PortBlock> {
  for (let attempt = 0; attempt < 50; attempt++) {
    let first = options.even ? next + (next % 2) : next
    if (first + size > lowest + half) first = lowest
    next = first + size
    // of a large block, which is for media, the ends and the middle stand for all
    const ports = size > 100 ? [first, first + (size >> 1), first + size - 1] : Array.from({ length: size }, (_, i) => first + i)
    const probes = await Promise.all(ports.flatMap(port => [tcpFree(port), udpFree(port)]))
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

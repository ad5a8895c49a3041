import { connect, createServer, type Socket } from 'node:net'

export interface Cable {
  port: number
  /** Cuts every connection and refuses new ones until `mend`. */
  cut(): void
  mend(): void
  close(): Promise<void>
}

/** A TCP line to a shared server that a test can cut without touching the server. */
export async function cable(host: string, port: number): Promise<Cable> {
  const ends = new Set<Socket>()
  let broken = false
  const server = createServer(near => {
    if (broken) {
      near.destroy()
      return
    }
    const far = connect(port, host)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(one)
      one.setNoDelay(true)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        ends.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const cut = () => {
    broken = true
    for (const end of ends) end.destroy()
  }
  return {
    port: address.port,
    cut,
    mend: () => {
      broken = false
    },
    close: async () => {
      cut()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

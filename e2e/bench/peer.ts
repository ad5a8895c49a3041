import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

export interface Peer {
  port: number
  stop(): Promise<void>
}

/** Starts one of the processes of `floors.ts` and waits until it says that it is ready. */
export async function peer(role: string, given: object): Promise<Peer> {
  const child: ChildProcess = fork(new URL('./floors.ts', import.meta.url), [role, JSON.stringify(given)], { stdio: 'inherit' })
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`${role} ended with ${code}`)
  })
  const [message] = (await Promise.race([once(child, 'message'), failed])) as [{ port?: number }]
  failed.catch(() => undefined)
  return {
    port: message.port ?? 0,
    stop: async () => {
      const over = once(child, 'exit')
      child.kill()
      await over
    },
  }
}

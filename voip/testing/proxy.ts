import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { portBlock } from './ports.ts'
import type { AsteriskInstance, Stack } from './stack.ts'
import { until } from './wait.ts'

/** How a proxy talks to its Asterisk. */
export type Transport = 'websocket' | 'ari-client'

/** Starts the asterisk-proxy of one Asterisk as its own process; resolves when it is ready. */
export async function startAsteriskProxy(
  stack: Stack,
  asterisk: AsteriskInstance,
  amqp: { url: string; prefix: string },
  transport: Transport,
): Promise<ChildProcess> {
  const port = (await portBlock(1)).next()
  const child = spawn(process.execPath, [join(import.meta.dirname, '../proxies/asterisk/main.ts')], {
    env: {
      PATH: process.env.PATH,
      ASTERISK_ID: asterisk.id,
      ARI_URL: asterisk.ari.url,
      ARI_USER: asterisk.ari.user,
      ARI_PASSWORD: asterisk.ari.password,
      ARI_TRANSPORT: transport,
      EDGES: stack.edges.map(edge => edge.name).join(','),
      RECORDINGS_DIR: join(stack.dir, asterisk.id, 'spool/recording'),
      AMQP_URL: amqp.url,
      REDIS_PREFIX: amqp.prefix,
      PORT_HEALTH: String(port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = createWriteStream(join(stack.dir, `proxy-${asterisk.id}.log`), { flags: 'a' })
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  await until(
    `the proxy of ${asterisk.id}`,
    async () => {
      if (child.exitCode !== null) throw new Error(`the proxy ended with ${child.exitCode}`)
      return (await fetch(`http://127.0.0.1:${port}/ready`)).ok
    },
    60_000,
  )
  return child
}

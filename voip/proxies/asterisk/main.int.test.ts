import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

test('a transport that there is not ends it with a sentence', async () => {
  const env = {
    PATH: process.env.PATH,
    ASTERISK_ID: 'asterisk-call-1',
    ARI_URL: 'http://127.0.0.1:1',
    ARI_USER: 'user',
    ARI_PASSWORD: 'password',
    ARI_TRANSPORT: 'http',
    EDGES: 'edge1',
    RECORDINGS_DIR: '/nowhere',
    AMQP_URL: 'amqp://127.0.0.1:1',
  }
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  expect(code).toBe(1)
  expect(said).toMatch(/configuration refused:\n {2}ARI_TRANSPORT: must be websocket \(.+\) or ari-client \(.+\)\n/)
})

// The running supervisor's ear: one JSON line in, one out, over a unix socket only root may open.
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import readline from 'node:readline'
import { z } from 'zod'
import type { Paths } from './paths.ts'

const requestSchema = z.discriminatedUnion('command', [
  z.strictObject({ command: z.literal('status') }),
  z.strictObject({ command: z.literal('stop') }),
  z.strictObject({ command: z.literal('selftest') }),
  /** Ends one process and keeps it down. */
  z.strictObject({ command: z.literal('hold'), name: z.string() }),
  z.strictObject({ command: z.literal('restart'), name: z.string() }),
])
export type ControlRequest = z.infer<typeof requestSchema>

type Answer = { ok: true; result: unknown } | { ok: false; error: string }

/** A unix socket's path may have 107 bytes only; from the working folder it is short enough. */
const socketPath = (paths: Paths): string => {
  const relative = path.relative(process.cwd(), paths.controlSocket)
  return relative.length < paths.controlSocket.length ? relative : paths.controlSocket
}

/** Answers control requests until closed. */
export async function serveControl(paths: Paths, handle: (request: ControlRequest) => Promise<unknown>): Promise<() => Promise<void>> {
  mkdirSync(paths.run, { recursive: true })
  rmSync(paths.controlSocket, { force: true })
  const server = net.createServer(socket => {
    socket.on('error', () => socket.destroy())
    readline.createInterface({ input: socket }).on('line', line => {
      void answer(line, handle).then(reply => socket.end(`${JSON.stringify(reply)}\n`))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath(paths), resolve)
  })
  chmodSync(paths.controlSocket, 0o600)
  return () => new Promise(resolve => server.close(() => resolve()))
}

async function answer(line: string, handle: (request: ControlRequest) => Promise<unknown>): Promise<Answer> {
  try {
    return { ok: true, result: await handle(requestSchema.parse(JSON.parse(line))) }
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) }
  }
}

/** Nobody listens: the platform does not run. */
export class NotRunning extends Error {}

/** Sends one request to the running supervisor. Rejects with {@link NotRunning}, or with the supervisor's own words. */
export function control(paths: Paths, request: ControlRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(socketPath(paths))
    let text = ''
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    socket.on('data', data => {
      text += data
    })
    socket.on('error', () => reject(new NotRunning('VoIPBIN is not running here')))
    socket.on('close', () => {
      if (!text) return reject(new NotRunning('the supervisor closed the connection'))
      const reply: Answer = JSON.parse(text)
      if (reply.ok) resolve(reply.result)
      else reject(new Error(reply.error))
    })
  })
}

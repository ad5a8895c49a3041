import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { withLock } from '../lock.mjs'
import { run } from './chroot.ts'
import { PlatformError } from './errors.ts'
import { ROOT } from './paths.ts'

/** What the gateway serves at /softphone/. */
export const SOFTPHONE_DIST = path.join(ROOT, 'webrtc-client/dist/app')
/** What it is made of. */
const SOURCES = ['webrtc-client/app', 'webrtc-client/src', 'webrtc-client/vite.config.ts', 'sdk/src', 'generated/sdk']

/** Whether the built app is there and no source is younger. */
export function isSoftphoneCurrent(
  dist = SOFTPHONE_DIST,
  sources: readonly string[] = SOURCES.map(source => path.join(ROOT, source)),
): boolean {
  const index = path.join(dist, 'index.html')
  if (!existsSync(index)) return false
  const built = statSync(index).mtimeMs
  return sources.every(source => youngest(source) <= built)
}

function youngest(source: string): number {
  const stat = statSync(source)
  if (!stat.isDirectory()) return stat.mtimeMs
  const inside = readdirSync(source, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return Math.max(0, ...inside.map(entry => statSync(path.join(entry.parentPath, entry.name)).mtimeMs))
}

/** Builds the app when it is missing or out of date. Two starts in one checkout take turns. */
export async function buildSoftphone(signal?: AbortSignal): Promise<void> {
  if (isSoftphoneCurrent()) return
  await withLock(
    path.join(ROOT, '.voipbin/softphone.lock'),
    () => undefined,
    async () => {
      if (isSoftphoneCurrent()) return
      const vite = path.join(ROOT, 'node_modules/vite/bin/vite.js')
      const done = await run(
        [process.execPath, vite, 'build', '-c', path.join(ROOT, 'webrtc-client/vite.config.ts'), '--logLevel', 'warn'],
        '',
        signal,
      )
      if (done.code !== 0) throw new PlatformError(`The softphone could not be built:\n${(done.stderr || done.stdout).trim().slice(-2000)}`)
    },
  )
}

// A platform for tests and benchmarks, and what they find in their environment.
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { tryLock } from '../../lock.mjs'
import { createProgress } from '../../progress.mjs'
import { connections } from '../connections.ts'
import { PlatformError } from '../errors.ts'
import { parseFlags } from '../flags.ts'
import { openLoopback } from '../namespace.ts'
import { pathsOf, ROOT } from '../paths.ts'
import { type Platform, startPlatform } from '../platform.ts'
import { LISTEN_IP } from '../ports.ts'
import { writeWrapper } from '../speech.ts'

/** Starts a platform with empty data, runs `work` with the environment that reaches it, stops it. */
export async function withPlatform<T>(home: string, work: (env: NodeJS.ProcessEnv, platform: Platform) => Promise<T>): Promise<T> {
  const paths = pathsOf(home)
  const release = await tryLock(path.join(ROOT, `${home}.lock`))
  if (!release) throw new PlatformError(`Another run uses ${home} of this folder. Wait for it, or run from another checkout.`)
  await openLoopback()
  rmSync(paths.home, { recursive: true, force: true })
  const progress = createProgress(process.stdout)
  const stopAsked = Promise.withResolvers<never>()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopAsked.reject(new PlatformError(`Stopped by ${name}.`)))
  progress.line('Starting a platform for it')
  const say = (text: string) => progress.line(`  ${text}`)
  const platform = await startPlatform({ flags: parseFlags(['--home', home]), progress, say, onStop: () => undefined, tcpRoot: true })
  progress.line()
  try {
    return await Promise.race([work(environment(platform), platform), stopAsked.promise])
  } finally {
    await platform.stop()
    progress.close()
    await release()
  }
}

function environment({ setup }: Platform): NodeJS.ProcessEnv {
  const { paths, ports, secrets } = setup
  const in_root = path.join(ROOT, 'server/platform/in-root')
  const instance = path.join(paths.home, 'servers/chromium')
  mkdirSync(instance, { recursive: true })
  return {
    ...process.env,
    ...connections(setup),
    // the server without a database: tests make their own
    MYSQL_URL: `mysql://root:${secrets.mysql_root_password}@${LISTEN_IP}:${ports.mariadb}`,
    VOIPBIN_STATE: paths.stateFile,
    VOIPBIN_INROOT: writeWrapper(paths, 'inroot', { in_root, rootfs: paths.rootfs }, 'exec "$in_root" "$rootfs" "$INST" 0:0 "$@"'),
    // the namespace has loopback only, over which a browser sends no media by itself
    VOIPBIN_CHROMIUM: writeWrapper(
      paths,
      'chromium',
      { in_root, browser: paths.browser, instance },
      'exec "$in_root" "$browser" "$instance" 0:0 bind=/tmp:/tmp /usr/lib/chromium/chromium --allow-loopback-in-peer-connection "$@"',
    ),
  }
}

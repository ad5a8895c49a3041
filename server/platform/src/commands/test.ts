import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { tryLock } from '../../lock.mjs'
import { createProgress, seconds } from '../../progress.mjs'
import { DATABASE } from '../configure.ts'
import { PlatformError } from '../errors.ts'
import { parseFlags } from '../flags.ts'
import { insideNamespace, isInsideNamespace, loopbackUp } from '../namespace.ts'
import { pathsOf, ROOT } from '../paths.ts'
import { type Platform, startPlatform } from '../platform.ts'
import { LISTEN_IP } from '../ports.ts'
import { connections } from '../processes.ts'
import { type Outcome, outcomeRows, readVitest, totals } from '../report.ts'
import { runStaticChecks } from '../static-checks.ts'
import { runScript } from './contract.ts'

const BENCH_SCRIPT = 'e2e/bench/main.ts'

/** All tests, on a platform of their own that nothing else can reach. Arguments go to vitest: `npm test -- server/platform`. */
export const test = (args: string[]): Promise<number> => (isInsideNamespace() ? testInside(args) : insideNamespace())

/** Benchmarks against their floors, on a platform of their own. */
export async function bench(args: string[]): Promise<number> {
  if (!existsSync(path.join(ROOT, BENCH_SCRIPT))) throw new PlatformError(`${BENCH_SCRIPT} is missing from this checkout.`)
  if (!isInsideNamespace()) return insideNamespace()
  return withPlatform('.voipbin/bench', env => runScript(BENCH_SCRIPT, args, env))
}

async function testInside(args: string[]): Promise<number> {
  const began = Date.now()
  const checks = args.length === 0 ? await runStaticChecks() : []
  const tested = await withPlatform('.voipbin/test', async (env, platform) => {
    const report = path.join(platform.setup.paths.home, 'vitest.json')
    const code = await runVitest(args, report, env)
    return readVitest(report, code)
  })
  const all: Outcome[] = [...checks, ...tested]
  const sum = totals(all)
  process.stdout.write(`\n${outcomeRows(all).join('\n')}\n\nAll tests took ${seconds(Date.now() - began)}.\n`)
  process.stdout.write(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped\n`)
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1
}

/** Starts a platform with empty data, runs `work` with the environment that reaches it, stops it. */
async function withPlatform<T>(home: string, work: (env: NodeJS.ProcessEnv, platform: Platform) => Promise<T>): Promise<T> {
  const paths = pathsOf(home)
  const release = await tryLock(path.join(ROOT, `${home}.lock`))
  if (!release) throw new PlatformError(`Another run uses ${home} of this folder. Wait for it, or run from another checkout.`)
  await loopbackUp()
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

/** What tests and benchmarks find in their environment. */
function environment({ setup }: Platform): NodeJS.ProcessEnv {
  const { paths, ports, secrets } = setup
  return {
    ...process.env,
    ...connections(setup),
    // tests make databases of their own
    MYSQL_URL: `mysql://root:${secrets.mysql_root_password}@${LISTEN_IP}:${ports.mariadb}/${DATABASE}`,
    VOIPBIN_STATE: paths.stateFile,
    VOIPBIN_INROOT: wrapper(setup, 'inroot', 'exec "$in_root" "$rootfs" "$INST" 0:0 "$@"'),
    VOIPBIN_CHROMIUM: wrapper(
      setup,
      'chromium',
      'exec "$in_root" "$browser" "$instance" 0:0 bind=/tmp:/tmp /usr/lib/chromium/chromium "$@"',
    ),
  }
}

/** A script that runs something inside one of the root filesystems: what takes one path of a program gets this one. */
function wrapper({ paths }: Platform['setup'], name: string, command: string): string {
  const file = path.join(paths.run, name)
  const instance = path.join(paths.home, 'servers', name)
  mkdirSync(instance, { recursive: true })
  const quoted = { in_root: path.join(ROOT, 'server/platform/in-root'), rootfs: paths.rootfs, browser: paths.browser, instance }
  const lines = Object.entries(quoted).map(([variable, value]) => `${variable}='${value.replaceAll("'", "'\\''")}'`)
  writeFileSync(file, `#!/bin/sh\n${lines.join('\n')}\n${command}\n`, { mode: 0o755 })
  return file
}

function runVitest(args: readonly string[], report: string, env: NodeJS.ProcessEnv): Promise<number> {
  const vitest = [
    path.join(ROOT, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]
  const child = spawn(process.execPath, [...vitest, ...args], { cwd: ROOT, stdio: 'inherit', env })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => resolve(code ?? 1))
  })
}

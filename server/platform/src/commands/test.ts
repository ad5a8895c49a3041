import { spawn } from 'node:child_process'
import path from 'node:path'
import process from 'node:process'
import { seconds } from '../../progress.mjs'
import { insideNamespace, isInsideNamespace } from '../namespace.ts'
import { ROOT } from '../paths.ts'
import { failureLines, type Outcome, outcomeRows, readVitest, totals } from '../report.ts'
import { runStaticChecks } from '../static-checks.ts'
import { withPlatform } from './environment.ts'

/** All tests, on a platform of their own that nothing else can reach. Arguments go to vitest: `npm test -- server/platform`. */
export const test = (args: string[]): Promise<number> => (isInsideNamespace() ? testInside(args) : insideNamespace())

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
  process.stdout.write(`\n${[...outcomeRows(all), '', ...failureLines(all)].join('\n')}\nAll tests took ${seconds(Date.now() - began)}.\n`)
  process.stdout.write(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped\n`)
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1
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

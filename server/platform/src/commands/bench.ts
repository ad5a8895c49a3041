import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { seconds } from '../../progress.mjs'
import { PlatformError } from '../errors.ts'
import { insideNamespace, isInsideNamespace } from '../namespace.ts'
import { ROOT } from '../paths.ts'
import { type BenchOutcome, benchRows, benchTable } from '../report.ts'
import { withPlatform } from './environment.ts'

/** A bench that hangs must not keep the others from their turn. */
const LIMIT_MS = 15 * 60_000

/**
 * Benchmarks against their floors, one after another, on a platform of their own; at the end all rows once more. One that fails is named and the others go
 * on; the exit code is then 1. Arguments choose files by parts of their paths.
 */
export async function bench(args: string[]): Promise<number> {
  const all = globSync('**/bench/*.bench.ts', { cwd: ROOT, exclude: name => name === 'node_modules' || name === '.voipbin' }).sort()
  const chosen = args.length === 0 ? all : all.filter(file => args.some(part => file.includes(part)))
  if (chosen.length === 0) throw new PlatformError(`No benchmark is called so. There are: ${all.join(', ')}`)
  if (!isInsideNamespace()) return insideNamespace()
  return withPlatform('.voipbin/bench', async env => {
    const outcomes: BenchOutcome[] = []
    for (const file of chosen) outcomes.push(await runBench(file, env))
    process.stdout.write(`\n${benchTable(outcomes).join('\n')}\n`)
    return outcomes.every(outcome => outcome.problem === undefined) ? 0 : 1
  })
}

async function runBench(file: string, env: NodeJS.ProcessEnv): Promise<BenchOutcome> {
  process.stdout.write(`\n${file}\n`)
  const began = Date.now()
  const child = spawn(process.execPath, [...process.execArgv, path.join(ROOT, file)], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  })
  const overdue = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  let text = ''
  child.stdout.on('data', (data: Buffer) => {
    text += data
    process.stdout.write(data)
  })
  const problem = await new Promise<string | undefined>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : signal ? `ended by ${signal}` : `exit code ${code}`))
  })
  clearTimeout(overdue)
  const rows = benchRows(text)
  process.stdout.write(`  ${problem === undefined ? '✓' : `✗ ${problem}`} (${seconds(Date.now() - began)})\n`)
  return { file, rows, problem: problem ?? (rows.length === 0 ? 'printed no row' : undefined) }
}

// Runs under Node 24, started by bootstrap.mjs with the packages and servers in place.
import process from 'node:process'
import { bench } from './commands/bench.ts'
import { checkCommand, generateCommand } from './commands/contract.ts'
import { doctor } from './commands/doctor.ts'
import { logs } from './commands/logs.ts'
import { migrateCommand } from './commands/migrate.ts'
import { start } from './commands/start.ts'
import { status } from './commands/status.ts'
import { stop } from './commands/stop.ts'
import { test } from './commands/test.ts'
import { NotRunning } from './control.ts'
import { PlatformError } from './errors.ts'
import { UsageError } from './flags.ts'
import { ROOT } from './paths.ts'
import { SelfTestError } from './selftest.ts'
import { StartError } from './supervise.ts'

/** Every command takes its arguments and gives the exit code. */
const COMMANDS: Record<string, (args: string[]) => Promise<number>> = {
  start,
  stop,
  status,
  logs,
  doctor,
  migrate: migrateCommand,
  generate: generateCommand,
  check: checkCommand,
  test,
  bench,
}

/** Errors whose message is all a person needs. */
const PLAIN = [UsageError, PlatformError, StartError, SelfTestError, NotRunning]

async function main(): Promise<number> {
  process.chdir(ROOT)
  const [name = '', ...args] = process.argv.slice(2)
  const command = COMMANDS[name]
  if (!command) throw new UsageError(`Unknown command "${name}". There are: ${Object.keys(COMMANDS).join(', ')}.`)
  try {
    return await command(args)
  } catch (error) {
    const isUsage = error instanceof UsageError || isWrongArgument(error)
    if (!isUsage && !PLAIN.some(kind => error instanceof kind)) throw error
    process.stderr.write(`\n✗ ${error instanceof Error ? error.message : error}\n`)
    return isUsage ? 2 : 1
  }
}

/** What `parseArgs` throws for an option or argument that a command does not have. */
function isWrongArgument(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
}

process.exitCode = await main()
process.exit()

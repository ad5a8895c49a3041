import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { PlatformError } from '../errors.ts'
import { ROOT } from '../paths.ts'

export const CHECK_SCRIPT = 'contracts/codegen/check.ts'
const GENERATE_SCRIPT = 'contracts/codegen/generate.ts'
const DOCS_SCRIPT = 'docs/generate.ts'

/** Code from the contract, then the pages of `docs/` that follow from it. */
export async function generateCommand(args: string[]): Promise<number> {
  const code = await runScript(GENERATE_SCRIPT, args)
  return code === 0 && args.length === 0 ? runScript(DOCS_SCRIPT, []) : code
}
export const checkCommand = (args: string[]): Promise<number> => runScript(CHECK_SCRIPT, args)

/** Runs one of the project's scripts under this Node, in the checkout; gives its exit code. */
function runScript(script: string, args: readonly string[]): Promise<number> {
  const file = path.join(ROOT, script)
  if (!existsSync(file)) throw new PlatformError(`${script} is missing from this checkout.`)
  const child = spawn(process.execPath, [...process.execArgv, file, ...args], { cwd: ROOT, stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => resolve(code ?? 1))
  })
}

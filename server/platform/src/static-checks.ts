import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { createProgress } from '../progress.mjs'
import { run } from './chroot.ts'
import { CHECK_SCRIPT } from './commands/contract.ts'
import { ROOT } from './paths.ts'
import type { Outcome } from './report.ts'

interface StaticCheck {
  name: string
  command: string[]
}

/** What can be checked without running anything: contract drift and boundaries, types of every workspace, style. */
export async function runStaticChecks(): Promise<Outcome[]> {
  const progress = createProgress(process.stdout)
  progress.line('Checking the sources')
  const outcomes: Outcome[] = []
  for (const { name, command } of staticChecks()) {
    const step = progress.step(name)
    const began = Date.now()
    const done = await run(command)
    const ok = done.code === 0
    if (ok) step.done()
    else {
      step.fail()
      progress.line((done.stdout + done.stderr).trim().slice(-6000))
    }
    outcomes.push({ name: `check: ${name}`, ms: Date.now() - began, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 })
  }
  progress.close()
  return outcomes
}

function staticChecks(): StaticCheck[] {
  const node = process.execPath
  const tool = (file: string) => path.join(ROOT, 'node_modules', file)
  const workspaces: string[] = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')).workspaces
  const hasSources = (w: string) => globSync('**/*.ts', { cwd: path.join(ROOT, w), exclude: name => name === 'node_modules' }).length > 0
  const typed = workspaces.filter(w => existsSync(path.join(ROOT, w, 'tsconfig.json')) && hasSources(w))
  const contract = existsSync(path.join(ROOT, CHECK_SCRIPT)) ? [{ name: 'contract', command: [node, path.join(ROOT, CHECK_SCRIPT)] }] : []
  return [
    ...contract,
    ...typed.map(w => ({ name: `types of ${w}`, command: [node, tool('typescript/bin/tsc'), '-p', path.join(ROOT, w, 'tsconfig.json')] })),
    { name: 'style', command: [node, tool('@biomejs/biome/bin/biome'), 'check', '--diagnostic-level=error', ROOT] },
  ]
}

import path from 'node:path'
import { createProgress } from '../progress.mjs'
import { run } from './chroot.ts'
import { CHECK_SCRIPT } from './commands/contract.ts'
import { ROOT } from './paths.ts'
import type { Outcome } from './report.ts'

/** What can be checked without running anything, as `npm run check` does it: contract, drift, boundaries, types of every workspace, style. */
export async function runStaticChecks(): Promise<Outcome[]> {
  const progress = createProgress(process.stdout)
  progress.line('Checking the sources')
  const step = progress.step('npm run check')
  const began = Date.now()
  const done = await run([process.execPath, path.join(ROOT, CHECK_SCRIPT)])
  const ok = done.code === 0
  if (ok) step.done()
  else {
    step.fail()
    progress.line((done.stdout + done.stderr).trim().slice(-6000))
  }
  progress.close()
  return checkOutcomes(done.stdout, { ok, ms: Date.now() - began })
}

/**
 * One outcome for each line `ok|FAIL <check> <seconds> s`, with the indented lines below it for its failures; a run that fails without
 * naming a check counts as one failure.
 */
export function checkOutcomes(text: string, { ok, ms }: { ok: boolean; ms: number }): Outcome[] {
  const lines = [...text.matchAll(/^(ok|FAIL)\s+(.+?)\s+([\d.]+) s\n?((?: {7}.*\n?)*)/gm)]
  const outcomes = lines.map(([, verdict, name = '', seconds = '0', problems = '']): Outcome => {
    const passed = verdict === 'ok' ? 1 : 0
    const failures = passed
      ? undefined
      : problems
          .trimEnd()
          .split('\n')
          .map(problem => ({ title: problem.trim(), message: '' }))
    return { name: `check: ${name}`, ms: Number(seconds) * 1000, passed, failed: 1 - passed, skipped: 0, ...(failures && { failures }) }
  })
  const explained = outcomes.length > 0 && (ok || outcomes.some(o => o.failed > 0))
  return explained ? outcomes : [...outcomes, { name: 'check', ms, passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }]
}

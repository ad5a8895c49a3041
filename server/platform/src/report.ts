import path from 'node:path'
import { z } from 'zod'
import { readIfExists } from './files.ts'
import { ROOT } from './paths.ts'

/** Result of one test file or one static check. */
export interface Outcome {
  name: string
  ms: number
  passed: number
  failed: number
  skipped: number
}

const vitestSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      startTime: z.number(),
      endTime: z.number(),
      status: z.string(),
      assertionResults: z.array(z.object({ status: z.string() })),
    }),
  ),
})

/** Reads vitest's JSON report. A run that failed without a report, or a file that failed without a test, counts as one failure. */
export function readVitest(file: string, exitCode: number): Outcome[] {
  const text = readIfExists(file)
  if (text === undefined) return [{ name: 'vitest (no report)', ms: 0, passed: 0, failed: 1, skipped: 0 }]
  const files = vitestSchema.parse(JSON.parse(text)).testResults.map(result => {
    const count = (...states: string[]) => result.assertionResults.filter(a => states.includes(a.status)).length
    const failed = count('failed')
    return {
      name: path.relative(ROOT, result.name),
      ms: result.endTime - result.startTime,
      passed: count('passed'),
      failed: failed === 0 && result.status === 'failed' ? 1 : failed,
      skipped: count('pending', 'skipped', 'todo', 'disabled'),
    }
  })
  const unexplained = exitCode !== 0 && files.every(f => f.failed === 0)
  return unexplained ? [...files, { name: `vitest (exit code ${exitCode})`, ms: 0, passed: 0, failed: 1, skipped: 0 }] : files
}

export function totals(outcomes: readonly Outcome[]): Pick<Outcome, 'passed' | 'failed' | 'skipped'> {
  const sum = (key: 'passed' | 'failed' | 'skipped') => outcomes.reduce((total, o) => total + o[key], 0)
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }
}

/** A row per file, slowest last. */
export function outcomeRows(outcomes: readonly Outcome[]): string[] {
  return [...outcomes]
    .sort((a, b) => a.ms - b.ms)
    .map(o => {
      const rest = [o.failed > 0 ? `${o.failed} failed` : '', o.skipped > 0 ? `${o.skipped} skipped` : '']
        .filter(Boolean)
        .map(text => `, ${text}`)
      return `  ${o.failed > 0 ? '✗' : '✓'} ${(o.ms / 1000).toFixed(2).padStart(7)} s  ${o.name} (${o.passed} passed${rest.join('')})`
    })
}

/** What one benchmark said. */
export interface BenchOutcome {
  file: string
  rows: BenchRow[]
  /** Why it failed; undefined when it did not. */
  problem: string | undefined
}
/** Medians as printed; a row without a floor has `-` for a ratio. */
export type BenchRow = readonly [name: string, ours: string, floor: string, ratio: string]

/** The rows `name ours floor ratio` in a benchmark's output. */
export function benchRows(text: string): BenchRow[] {
  const rows = text.matchAll(/^([a-z][a-z0-9_]*) (-?[\d.]+) (-?[\d.]+) (-?[\d.]+|-)$/gm)
  return [...rows].map(([, name = '', ours = '', floor = '', ratio = '']) => [name, ours, floor, ratio])
}

/** All rows in columns, then the benchmarks that failed. */
export function benchTable(outcomes: readonly BenchOutcome[]): string[] {
  const rows: BenchRow[] = [['name', 'ours', 'floor', 'ratio'], ...outcomes.flatMap(outcome => outcome.rows)]
  const width = (column: 0 | 1 | 2 | 3) => Math.max(...rows.map(row => row[column].length))
  const [name, ours, floor, ratio] = [width(0), width(1), width(2), width(3)]
  const lines = rows.map(row => [row[0].padEnd(name), row[1].padStart(ours), row[2].padStart(floor), row[3].padStart(ratio)].join('  '))
  const failed = outcomes.flatMap(({ file, problem }) => (problem === undefined ? [] : [`✗ ${file}: ${problem}`]))
  return failed.length === 0 ? lines : [...lines, '', ...failed]
}

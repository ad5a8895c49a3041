import path from 'node:path'
import { stripVTControlCharacters } from 'node:util'
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
  /** What failed and why, as text for people. */
  failures?: readonly Failure[]
}

export interface Failure {
  title: string
  message: string
}

const vitestSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      startTime: z.number(),
      endTime: z.number(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({ status: z.string(), fullName: z.string().optional(), failureMessages: z.array(z.string()).nullish() }),
      ),
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
    const failures = result.assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName = '', failureMessages }) => ({ title: fullName.trim(), message: failureMessages?.join('\n') ?? '' }))
    if (result.message && failures.length === 0) failures.push({ title: 'the file itself', message: result.message })
    return {
      name: path.relative(ROOT, result.name),
      ms: result.endTime - result.startTime,
      passed: count('passed'),
      failed: failed === 0 && result.status === 'failed' ? 1 : failed,
      skipped: count('pending', 'skipped', 'todo', 'disabled'),
      ...(failures.length > 0 && { failures }),
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

/** Everything that failed, told once more where people look first: at the end of a long run. Colours and far frames are left out. */
export function failureLines(outcomes: readonly Outcome[]): string[] {
  const failed = outcomes.filter(o => o.failed > 0)
  if (failed.length === 0) return []
  return [
    'Failed:',
    ...failed.flatMap(({ name, failures = [] }) => [
      `  ✗ ${name}`,
      ...failures.flatMap(({ title, message }) => [`    ${title}`, ...reason(message).map(line => `      ${line}`.trimEnd())]),
    ]),
    '',
  ]
}

/** The message, up to 40 lines, and the first five frames of the stack that are the project's own. */
function reason(message: string): string[] {
  const lines = stripVTControlCharacters(message).trim().replaceAll('file://', '').replaceAll(`${ROOT}/`, '').split('\n').filter(Boolean)
  const frame = /^\s+at /
  const told = lines.filter(line => !frame.test(line)).slice(0, 40)
  const frames = lines.filter(line => frame.test(line) && !/node_modules|node:internal/.test(line)).slice(0, 5)
  return [...told, ...frames]
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

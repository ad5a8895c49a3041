import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { checkBoundaries, sourceFiles } from './boundaries.ts'
import { checkBaseline } from './breaking.ts'
import { loadModel } from './build-model.ts'
import { parsePublic } from './bus.ts'
import { drift, foreignTables, lonelyServices, longFiles, readOutputs } from './check-files.ts'
import { checkFlow, checkOpenapi, checkStyle, checkTypes, generateInto, workspaces } from './check-tools.ts'
import { ContractError } from './document.ts'
import { root } from './generate.ts'
import type { Model } from './model.ts'
import { described } from './places.ts'
import { checkRules } from './rules.ts'
import type { Output } from './text.ts'
import { checkReasons, speakers } from './thrown.ts'
import { checkWired } from './wired.ts'

/** One thing that is checked: what is wrong, one line each. */
export interface Step {
  name: string
  run(): Promise<string[]> | string[]
}
export interface Result {
  name: string
  seconds: number
  problems: string[]
}

const contracts = path.join(root, 'contracts')

/** Steps that look at the documents and what follows from them. `folder` holds the fresh files between the steps. */
function contractSteps(folder: string): Step[] {
  let files: Output[] = []
  return [
    { name: 'contract rules', run: () => described(checkRules(loadModel(contracts)), contracts) },
    {
      name: 'drift of generated/',
      run: async () => {
        const failed = await generateInto(root, folder)
        if (failed.length > 0) return failed
        files = readOutputs(folder)
        return drift(files, path.join(root, 'generated'))
      },
    },
    { name: 'asyncapi.json (AsyncAPI parser)', run: async () => described(await parsePublic(textOf(files, 'asyncapi.json')), contracts) },
    {
      name: 'openapi.json (Redocly)',
      run: async () => described(await checkOpenapi(textOf(files, 'openapi.json'), loadModel(contracts)), contracts),
    },
    { name: 'breaking changes', run: () => checkBaseline(textOf(files, 'openapi.json')) },
  ]
}

const textOf = (files: readonly Output[], name: string): string => files.find(file => file.path === name)?.text ?? ''

const lintedFolders = (): string[] => workspaces(root).filter(folder => folder !== 'generated')
const handWritten = (): string[] => sourceFiles(root).filter(file => !file.startsWith('generated/'))

/** Steps that look at the sources. */
function sourceSteps(): Step[] {
  let loaded: Model | undefined
  const model = () => (loaded ??= loadModel(contracts))
  return [
    { name: 'import boundaries', run: () => checkBoundaries(root).map(({ file, message }) => `${file}: ${message}`) },
    { name: 'file lengths', run: () => longFiles(root) },
    { name: 'table names', run: () => foreignTables(root) },
    { name: 'services and contracts', run: () => lonelyServices(root, model().services) },
    { name: 'reasons', run: () => checkReasons(model(), speakers(root)) },
    { name: 'events and resources', run: () => checkWired(model(), speakers(root)) },
    { name: 'biome', run: () => checkStyle(root, handWritten()) },
    {
      name: 'promises and circles (oxlint)',
      run: () => checkFlow(root, lintedFolders()),
    },
    { name: 'types (tsc)', run: () => checkTypes(root) },
  ]
}

async function runStep({ name, run }: Step): Promise<Result> {
  const started = performance.now()
  let problems: string[]
  try {
    problems = await run()
  } catch (error) {
    if (!(error instanceof ContractError)) throw error
    problems = described(error.problems, contracts)
  }
  const seconds = (performance.now() - started) / 1000
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(34)} ${seconds.toFixed(1).padStart(5)} s`)
  for (const problem of problems) console.log(`       ${problem}`)
  return { name, seconds, problems }
}

/** Runs steps one after another. */
export async function runSteps(steps: readonly Step[]): Promise<Result[]> {
  const results: Result[] = []
  for (const step of steps) results.push(await runStep(step))
  return results
}

/** All of it, in two lanes for two cores. Returns whether everything is in order. */
async function check(): Promise<boolean> {
  const started = performance.now()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'voipbin-generated-'))
  try {
    const lanes = await Promise.all([runSteps(contractSteps(folder)), runSteps(sourceSteps())])
    const failed = lanes.flat().filter(result => result.problems.length > 0)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const names = failed.map(result => result.name).join(', ')
    console.log(failed.length === 0 ? `check passed in ${seconds} s` : `check failed in ${seconds} s: ${names}`)
    return failed.length === 0
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) process.exitCode = (await check()) ? 0 : 1

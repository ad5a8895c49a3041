import { createHash } from 'node:crypto'
import path from 'node:path'
import { asyncapiFile } from './asyncapi.ts'
import { loadModel } from './build-model.ts'
import { busFiles, parseBus } from './bus.ts'
import { sdkCommandsFile } from './commands.ts'
import { ContractError } from './document.ts'
import { eventsFile } from './events.ts'
import { sdkFlowFile } from './flow-builder.ts'
import { realtimeFile, sdkRealtimeFile, sdkWebhooksFile } from './frames.ts'
import { gatewayFiles } from './gateway.ts'
import { llmsFile } from './llms.ts'
import type { Model } from './model.ts'
import { openapiDocument, openapiFile } from './openapi.ts'
import { described } from './places.ts'
import { projectFile } from './project.ts'
import { sdkReasonsFile, sdkRequestFile, sdkResourcesFile } from './sdk.ts'
import { sdkTypesFile } from './sdk-types.ts'
import type { Output } from './text.ts'
import { errorsFile, schemasFile } from './types.ts'
import { validatorFiles } from './validators.ts'
import { write } from './write.ts'

export const root: string = path.resolve(import.meta.dirname, '../..')

/** Everything that belongs under `generated/`, from the documents under `contracts`. Rejects with ContractError. */
export async function generate(contracts: string): Promise<Output[]> {
  const model = loadModel(contracts)
  const parsed = await parseBus(model)
  if (!parsed.document || parsed.problems.length > 0) throw new ContractError(parsed.problems)
  return outputs(model, await busFiles(model, parsed.document))
}

async function outputs(model: Model, bus: Output[]): Promise<Output[]> {
  const openapi = openapiDocument(model)
  const known = new Set(Object.keys((openapi.components as { schemas: object }).schemas))
  const files = [
    openapiFile(openapi),
    asyncapiFile(model),
    schemasFile(model),
    errorsFile(model),
    llmsFile(model),
    projectFile(model),
    eventsFile(model),
    realtimeFile(model),
    await sdkTypesFile(openapi),
    sdkRequestFile(),
    sdkReasonsFile(model),
    sdkResourcesFile(model),
    sdkCommandsFile(model),
    sdkFlowFile(model),
    sdkRealtimeFile(model, known),
    sdkWebhooksFile(model),
    ...gatewayFiles(model),
    ...validatorFiles(model),
    ...bus,
  ]
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  return [...files, manifest(files)]
}

/** `manifest.json`: every file with its hash, so that stale ones are found and drift has a name. */
function manifest(files: Output[]): Output {
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)
  const rows = Object.fromEntries(files.map(file => [file.path, hash(file.text)]))
  return { path: 'manifest.json', text: `${JSON.stringify({ contract: hash(JSON.stringify(rows)), files: rows }, null, 1)}\n` }
}

if (import.meta.main) {
  const started = performance.now()
  try {
    const files = await generate(path.join(root, 'contracts'))
    // The check generates into a folder of its own and compares.
    const touched = write(files, process.argv[2] ?? path.join(root, 'generated'))
    console.log(`generated ${files.length} files, ${touched.length} changed, ${((performance.now() - started) / 1000).toFixed(1)} s`)
  } catch (error) {
    if (!(error instanceof ContractError)) throw error
    for (const line of described(error.problems, path.join(root, 'contracts'))) console.error(line)
    process.exitCode = 1
  }
}

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import Module from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { busDocument } from './asyncapi.ts'
import type { Problem } from './document.ts'
import type { Model } from './model.ts'
import { callsFile, rpcFile, serviceMessages } from './rpc.ts'
import type { Output } from './text.ts'

/** What the template may read of the parsed document. */
interface ParsedDocument {
  operations(): { all(): { id(): string }[] }
}

/** Checks the merged AsyncAPI document with the official parser. */
export const parseBus = (model: Model): Promise<Parsed> => parse(JSON.stringify(busDocument(model)))

/** The same for the public document. */
export const parsePublic = async (text: string): Promise<Problem[]> => (await parse(text)).problems

interface Parsed {
  document: ParsedDocument | undefined
  problems: Problem[]
}

async function parse(text: string): Promise<Parsed> {
  const { Parser } = await import('@asyncapi/parser')
  const { document, diagnostics } = await new Parser().parse(text as never)
  const problems = diagnostics
    .filter(({ severity }) => severity === 0)
    .map(({ path: where, message }) => ({ file: 'asyncapi', where: where.join('/'), message }))
  return { document: document as ParsedDocument | undefined, problems }
}

const template = path.join(import.meta.dirname, 'asyncapi-template')

/**
 * RPC and event files through @asyncapi/generator: it drives the template in `asyncapi-template/`, whose component calls back into `emit`
 * for the text of every file.
 */
export async function busFiles(model: Model, document: ParsedDocument): Promise<Output[]> {
  const target = mkdtempSync(path.join(os.tmpdir(), 'voipbin-bus-'))
  try {
    mkdirSync(path.join(target, 'rpc')) // the generator makes no folders for files inside folders
    const Generator = await loadGenerator()
    const emit = (parsed: ParsedDocument): Output[] => emitBus(model, parsed)
    const options = { forceWrite: true, templateParams: { emit } }
    await new Generator(template, target, options).generate(document)
    const names = readdirSync(target, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .sort()
    return names.map(name => ({ path: name, text: readFileSync(path.join(target, name), 'utf8') }))
  } finally {
    rmSync(target, { recursive: true })
    rmSync(path.join(template, '__transpiled'), { recursive: true, force: true })
  }
}

/** The files that follow from the parsed document: one per service, and the table of all calls. */
function emitBus(model: Model, parsed: ParsedDocument): Output[] {
  const seen = new Set(
    parsed
      .operations()
      .all()
      .map(operation => operation.id()),
  )
  const lost = model.operations.filter(operation => operation.kind === 'internal' && !seen.has(operation.id))
  if (lost.length > 0) throw new Error(`the AsyncAPI parser does not see ${lost.map(operation => operation.id).join(', ')}`)
  const services = serviceMessages(model)
  return [...services.map(service => rpcFile(service, model)), callsFile(services, model)]
}

async function loadGenerator() {
  // The generator looks for the global npm beside the node binary while it loads; `stub/npm` answers where there is none.
  process.env.NODE_PATH = path.join(import.meta.dirname, 'stub')
  ;(Module as unknown as { _initPaths(): void })._initPaths()
  return (await import('@asyncapi/generator')).default
}

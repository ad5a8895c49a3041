import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Problem } from './document.ts'
import { unescapeStep } from './json.ts'
import { type Model, webhookName } from './model.ts'

const modules = path.resolve(import.meta.dirname, '../../node_modules')

interface ToolOptions {
  cwd: string
  env?: Record<string, string>
}
const tool = (command: string, args: readonly string[], options: ToolOptions): Promise<string[]> =>
  runNode(path.join(modules, command), args, options)

/** Runs a script; its output is the complaint when it fails. */
function runNode(script: string, args: readonly string[], options: ToolOptions): Promise<string[]> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [script, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += String(chunk)))
    child.on('error', error => resolve([error.message]))
    child.on('close', code => resolve(code === 0 ? [] : output.trim().split('\n')))
  })
}

/** Generates into a folder, beside this process, so that it stays free to hear of the other tools. */
export const generateInto = (root: string, folder: string): Promise<string[]> =>
  runNode(path.join(import.meta.dirname, 'generate.ts'), [folder], { cwd: root })

/** The public document against Redocly's recommended rules, examples included. `file` of a problem is the contract file it comes from. */
export async function checkOpenapi(text: string, model: Model): Promise<Problem[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'voipbin-openapi-'))
  try {
    writeFileSync(path.join(folder, 'openapi.json'), text)
    const env = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', FORCE_COLOR: '0' }
    const config = path.join(import.meta.dirname, 'redocly.yaml')
    const output = await tool('@redocly/cli/bin/cli.js', ['lint', 'openapi.json', '--config', config, '--format', 'json'], {
      cwd: folder,
      env,
    })
    return redoclyProblems(output.join('\n'), model)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Report {
  problems: { message: string; ruleId: string; location: { pointer?: string }[] }[]
}

/** Redocly speaks of the document that was made; its author thinks of the files it was made from. */
function redoclyProblems(output: string, model: Model): Problem[] {
  if (output === '') return []
  const [text] = /\{\n[\s\S]*\n\}/.exec(output) ?? []
  if (text === undefined) return [{ file: 'openapi', where: '', message: output }]
  return (JSON.parse(text) as Report).problems.map(({ message, ruleId, location }) => {
    const [, part = '', name = '', verb = '', ...rest] = (location[0]?.pointer ?? '').split('/').map(unescapeStep)
    const operation = model.operations.find(one => one.kind === 'public' && one.httpPath === name && one.method.toLowerCase() === verb)
    const inside = `${rest.length > 0 ? ` in ${rest.join(' › ')}` : ''} (Redocly, ${ruleId})`
    if (part === 'paths' && operation)
      return { file: operation.file, where: `${operation.where} (${operation.id})`, message: `${message}${inside}` }
    const owner = part === 'components' && name === 'schemas' ? model.schemaOwner.get(verb) : undefined
    if (owner) return { file: owner.file, where: `schema ${verb}`, message: `${message}${inside}` }
    const event = part === 'webhooks' ? model.events.find(one => webhookName(one) === name) : undefined
    if (event) return { file: event.file, where: `event ${event.type}`, message: `${message}${inside}` }
    return { file: 'openapi', where: location[0]?.pointer ?? '', message: `${message} (Redocly, ${ruleId})` }
  })
}

/** Format and lint of the given files. */
export const checkStyle = (root: string, files: readonly string[]): Promise<string[]> =>
  tool(
    '@biomejs/biome/bin/biome',
    ['check', '--colors=off', '--max-diagnostics=50', '--diagnostic-level=warn', '--error-on-warnings', ...files],
    { cwd: root },
  )

/** Promises that nobody waits for, and imports that run in a circle, those of types included. */
export const checkFlow = (root: string, folders: readonly string[]): Promise<string[]> =>
  tool('oxlint/bin/oxlint', ['--type-aware', '-c', path.join(import.meta.dirname, 'oxlint.json'), ...folders], { cwd: root })

/** The workspaces that exist. */
export function workspaces(root: string): string[] {
  const { workspaces: names } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { workspaces: string[] }
  return names.filter(name => existsSync(path.join(root, name)))
}

interface Config {
  compilerOptions?: { lib?: readonly string[]; [option: string]: unknown }
  include?: string[]
  exclude?: string[]
}

/** Two programs, so that what workspaces share is checked once: those of a browser, with all that any of them asks for, and the others. */
export async function checkTypes(root: string): Promise<string[]> {
  const names = workspaces(root).filter(name => existsSync(path.join(root, name, 'tsconfig.json')))
  const parsed = names.map(name => ({ name, config: JSON.parse(readFileSync(path.join(root, name, 'tsconfig.json'), 'utf8')) as Config }))
  const groups = Map.groupBy(parsed, ({ config }) => libOf(config).includes('dom'))
  const inside = (name: string, patterns: readonly string[] = []): string[] => patterns.map(pattern => path.join(root, name, pattern))
  const folder = path.join(root, 'node_modules/.cache/voipbin')
  mkdirSync(folder, { recursive: true })
  const problems: string[] = []
  for (const [isBrowser, group] of groups) {
    const program = isBrowser ? 'browser' : 'server'
    const whole = {
      extends: path.join(root, 'tsconfig.json'),
      compilerOptions: {
        typeRoots: [path.join(modules, '@types')],
        ...optionsOf(group.map(({ config }) => config)),
        // what did not change since the last check is not checked again
        incremental: true,
        tsBuildInfoFile: path.join(folder, `${program}.tsbuildinfo`),
      },
      include: group.flatMap(({ name, config }) => inside(name, config.include)),
      exclude: group.flatMap(({ name, config }) => inside(name, config.exclude)),
    }
    const file = path.join(folder, `tsconfig.${program}.json`)
    // a new file each time: work trees made with hard links share the old one
    rmSync(file, { force: true })
    writeFileSync(file, JSON.stringify(whole))
    // One checker: several would each work through the big libraries, and the other core is busy with the other lane.
    problems.push(...(await tool('typescript/bin/tsc', ['-p', file, '--checkers', '1'], { cwd: root })))
  }
  return problems
}

const libOf = ({ compilerOptions }: Config): readonly string[] => compilerOptions?.lib ?? []

/** The options of several workspaces in one. */
function optionsOf(configs: readonly Config[]): object {
  const lib = [...new Set(configs.flatMap(libOf))]
  return { ...Object.assign({}, ...configs.map(config => config.compilerOptions)), ...(lib.length > 0 && { lib }) }
}

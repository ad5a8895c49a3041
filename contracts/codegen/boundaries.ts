import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseSync } from 'oxc-parser'

/** One import, as text and as where it leads. */
interface Import {
  from: string
  specifier: string
  typeOnly: boolean
}
export interface Violation {
  file: string
  message: string
}

interface Layer {
  name: string
  /** Folder, with `*` for each of its own folders. */
  folder: string
  /** What else of ours it may import, by folder. Itself always. */
  may: readonly string[]
  /** What its tests may import besides. */
  mayInTests?: readonly string[]
  /** Of these, what it may import as types only. */
  typesOnly?: readonly string[]
  /** Packages it must reach through the kernel. */
  never?: readonly string[]
}

const drivers = ['mysql2', 'amqplib', 'ioredis', 'zeromq', 'undici', 'ws']

/** Which folder may import which (DESIGN 2). The first layer whose folder fits a file is its layer. */
export const layers: readonly Layer[] = [
  { name: 'contracts/codegen', folder: 'contracts/codegen', may: [] },
  { name: 'kernel', folder: 'server/kernel', may: [] },
  { name: 'generated/sdk', folder: 'generated/sdk', may: [] },
  { name: 'generated', folder: 'generated', may: ['server/kernel', 'generated/sdk'], typesOnly: ['server/kernel'] },
  // Its tests may hold what it sends against what receivers check it with.
  {
    name: 'service',
    folder: 'services/*',
    may: ['server/kernel', 'generated'],
    mayInTests: ['services', 'services/*', 'sdk'],
    never: drivers,
  },
  { name: 'services', folder: 'services', may: ['server/kernel', 'generated', 'services/*'] },
  { name: 'gateway', folder: 'server/gateway', may: ['server/kernel', 'generated'] },
  { name: 'proxy', folder: 'voip/proxies/*', may: ['server/kernel', 'generated', 'voip', 'voip/testing'] },
  { name: 'voip/testing', folder: 'voip/testing', may: ['voip', 'voip/proxies/*'] },
  { name: 'voip', folder: 'voip', may: ['server/kernel', 'generated', 'voip/proxies/*', 'voip/testing'] },
  { name: 'platform', folder: 'server/platform', may: ['server/kernel', 'sdk', 'voip', 'voip/testing'] },
  { name: 'sdk', folder: 'sdk', may: ['generated/sdk'] },
  { name: 'webrtc-client', folder: 'webrtc-client', may: ['sdk'] },
  { name: 'docs', folder: 'docs', may: ['sdk', 'webrtc-client'] },
  // Of the platform the public side only, and the samples of its pages; what plays a phone, a carrier or an ear is shared with voip's own tests.
  { name: 'e2e', folder: 'e2e', may: ['sdk', 'webrtc-client', 'voip/testing', 'docs'] },
]

const packages: Readonly<Record<string, string>> = {
  codegen: 'contracts/codegen',
  kernel: 'server/kernel',
  gateway: 'server/gateway',
  platform: 'server/platform',
  generated: 'generated',
  services: 'services',
  voip: 'voip',
  sdk: 'sdk',
  webrtc: 'webrtc-client',
  e2e: 'e2e',
  docs: 'docs',
}

const skipped = new Set(['node_modules', 'dist', 'fixtures', 'migrations', 'coverage', '__transpiled'])
const fewest = 60

export interface Options {
  /** The check refuses to pass when it sees fewer files: a check of nothing always passes. */
  fewestFiles?: number
}

/** Every import that the law forbids, and everything a service must get through its context. */
export function checkBoundaries(root: string, { fewestFiles = fewest }: Options = {}): Violation[] {
  const files = sourceFiles(root)
  const violations: Violation[] = []
  if (files.length < fewestFiles)
    violations.push({ file: '.', message: `only ${files.length} files were found; the check did not look where it should` })
  for (const file of files) {
    const layer = layerOf(file)
    if (!layer) violations.push({ file, message: 'belongs to no layer of the house' })
    else violations.push(...checkFile(root, file, layer))
  }
  return violations
}

export function sourceFiles(root: string): string[] {
  const found: string[] = []
  const visit = (folder: string): void => {
    for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory() && !skipped.has(entry.name) && !entry.name.startsWith('.')) visit(name)
      else if (entry.isFile() && /\.(ts|tsx|mts)$/.test(entry.name) && !entry.name.endsWith('.d.ts') && folder !== '') found.push(name)
    }
  }
  visit('')
  return found.sort()
}

const fits = (file: string, folder: string): boolean => new RegExp(`^${folder.replaceAll('*', '[^/]+')}/`).test(`${file}/`)
const layerOf = (file: string): Layer | undefined => layers.find(layer => fits(path.posix.dirname(file), layer.folder))
/** Tests and benchmarks, and what they are made of. */
const isTest = (file: string): boolean => /\.test\.tsx?$|-(fixture|process)\.ts$|\/(tests?|bench)\//.test(file)

function checkFile(root: string, file: string, layer: Layer): Violation[] {
  const source = readFileSync(path.join(root, file), 'utf8')
  const parsed = parseSync(file, source)
  const { module } = parsed
  const imports: Import[] = [
    ...module.staticImports.map(one => ({
      from: file,
      specifier: one.moduleRequest.value,
      typeOnly: one.entries.length > 0 && one.entries.every(entry => entry.isType),
    })),
    ...module.staticExports.flatMap(one =>
      one.entries.flatMap(entry =>
        entry.moduleRequest ? [{ from: file, specifier: entry.moduleRequest.value, typeOnly: entry.isType }] : [],
      ),
    ),
    ...module.dynamicImports.flatMap(({ moduleRequest: { start, end } }) => {
      const literal = /^(['"`])(.*)\1$/.exec(source.slice(start, end))?.[2]
      return literal === undefined ? [] : [{ from: file, specifier: literal, typeOnly: false }]
    }),
  ]
  const messages = imports.flatMap(one => checkImport(one, layer))
  if (layer.name === 'service' && !isTest(file)) messages.push(...forbiddenCalls(parsed.program))
  return [...new Set(messages)].map(message => ({ file, message }))
}

function checkImport({ from, specifier, typeOnly }: Import, layer: Layer): string[] {
  if (specifier.startsWith('node:')) return []
  const own = /^@voipbin\/([^/]+)(?:\/(.+))?$/.exec(specifier)
  if (!own && !specifier.startsWith('.')) {
    const name = specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : (specifier.split('/')[0] ?? '')
    return layer.never?.includes(name) && !isTest(from) ? [`imports ${name}; the kernel is the way to it`] : []
  }
  const target = own
    ? [packages[own[1] ?? ''] ?? specifier, own[2]].filter(Boolean).join('/')
    : path.posix.join(path.posix.dirname(from), specifier)
  const place = /\.\w+$/.test(target) ? path.posix.dirname(target) : target
  const nearest = layers.find(one => fits(place, one.folder))
  if (nearest === layer && sameFolder(from, place, layer)) return []
  const may = [...layer.may, ...((isTest(from) && layer.mayInTests) || [])]
  const allowed = nearest && may.includes(nearest.folder) ? nearest.folder : undefined
  if (allowed === undefined) return [`imports ${specifier}; ${layer.name} may import ${layer.may.join(', ') || 'nothing else of ours'}`]
  if (layer.typesOnly?.includes(allowed) && !typeOnly) return [`imports values from ${specifier}; only types may cross here`]
  return []
}

/** Whether both lie in one folder of the layer: `services/call` is not `services/flow`. */
function sameFolder(from: string, place: string, layer: Layer): boolean {
  const home = from.split('/').slice(0, layer.folder.split('/').length).join('/')
  return fits(place, home)
}

type Node = { type?: string; [field: string]: unknown }

function walk(node: unknown, visit: (node: Node) => void): void {
  if (node === null || typeof node !== 'object') return
  if (Array.isArray(node)) {
    for (const child of node) walk(child, visit)
    return
  }
  visit(node as Node)
  for (const child of Object.values(node)) if (typeof child === 'object') walk(child, visit)
}

const nameOf = (node: unknown): string => (node as { name?: string } | undefined)?.name ?? ''

const calls = new Map([
  ['fetch', 'ctx.http, which has a deadline and refuses private addresses'],
  ['setTimeout', 'a durable timer (tx.setTimer)'],
  ['setInterval', 'a job of the service'],
])

/** What a service must not do by itself. */
function forbiddenCalls(program: unknown): string[] {
  const found: string[] = []
  walk(program, node => {
    const callee = node.callee as Node | undefined
    if (node.type === 'CallExpression' && callee?.type === 'Identifier') {
      const instead = calls.get(nameOf(callee))
      if (instead) found.push(`calls ${nameOf(callee)}; use ${instead}`)
    }
    if (
      node.type === 'CallExpression' &&
      callee?.type === 'MemberExpression' &&
      nameOf(callee.object) === 'Date' &&
      nameOf(callee.property) === 'now'
    ) {
      found.push('calls Date.now; use ctx.now()')
    }
    if (node.type === 'NewExpression' && nameOf(callee) === 'Date' && (node.arguments as unknown[]).length === 0)
      found.push('calls new Date(); use ctx.now()')
    if (node.type === 'MemberExpression' && nameOf(node.object) === 'process' && nameOf(node.property) === 'env') {
      found.push('reads process.env; configuration comes through the context')
    }
  })
  return found
}

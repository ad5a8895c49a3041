import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { rolldown } from 'rolldown'

const sdk = path.resolve(import.meta.dirname, '..')
const require = createRequire(import.meta.url)
const dist = path.join(sdk, 'dist')
/** What a package can be imported as: `@voipbin/sdk`, `@voipbin/sdk/webhooks` … */
export const entries: readonly string[] = ['index', 'webhooks', 'realtime', 'flow']

/** Packages that are copied into ours: the client's, and the WebSocket of the command, because Node 20 has none. */
const bundled = ['openapi-fetch', 'ws']

/** Writes `dist/`: ESM and CommonJS with everything bundled, and types for both, the generated part included; and the command `voipbin`. */
export async function build(): Promise<void> {
  rmSync(dist, { recursive: true, force: true })
  await bundle()
  await bundleCommand()
  declare()
  const licences = bundled.map(name => {
    const { version } = require(`${name}/package.json`) as { version: string }
    return `Contains ${name} ${version}:\n\n${readFileSync(path.join(packageFolder(name), 'LICENSE'), 'utf8')}`
  })
  writeFileSync(path.join(dist, 'THIRD-PARTY.md'), licences.join('\n'))
}

/** `dist/cli.js`, apart from the library, which does not grow by it. */
async function bundleCommand(): Promise<void> {
  const build = await rolldown({
    input: { cli: path.join(sdk, 'src/cli/main.ts') },
    platform: 'node',
    // Additions to ws that it does without.
    external: ['bufferutil', 'utf-8-validate'],
  })
  await build.write({ dir: dist, format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'chunks/cli-[name].js' })
  await build.close()
  chmodSync(path.join(dist, 'cli.js'), 0o755)
}

async function bundle(): Promise<void> {
  const input = Object.fromEntries(entries.map(name => [name, path.join(sdk, `src/${name}.ts`)]))
  const build = await rolldown({ input, platform: 'neutral', resolve: { mainFields: ['module', 'main'] } })
  for (const [format, extension] of [
    ['esm', 'js'],
    ['cjs', 'cjs'],
  ] as const) {
    await build.write({
      dir: dist,
      format,
      entryFileNames: `[name].${extension}`,
      chunkFileNames: `chunks/[name].${extension}`,
      exports: 'named',
    })
  }
  await build.close()
}

/** Declarations by the compiler, of a copy in which the generated part lies beside the sources. */
function declare(): void {
  const stage = path.join(dist, 'stage')
  const moved = (text: string): string => text.replaceAll("'../../generated/sdk/", "'./generated/")
  copy(path.join(sdk, 'src'), stage, name => name.endsWith('.ts') && !/(\.test|-fixture)\.ts$/.test(name), moved)
  copy(
    path.resolve(sdk, '../generated/sdk'),
    path.join(stage, 'generated'),
    // What only the command reads has no types to publish.
    name => name.endsWith('.ts') && name !== 'commands.ts',
    text => text,
  )
  const config = {
    extends: path.resolve(sdk, '../tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      types: [],
      lib: ['es2022', 'dom', 'dom.iterable'],
      rootDir: '.',
      outDir: '../types',
    },
    include: ['**/*.ts'],
  }
  writeFileSync(path.join(stage, 'tsconfig.json'), JSON.stringify(config))
  const tsc = path.join(packageFolder('typescript'), 'bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', stage], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the types do not compile:\n${stdout}`)
  const types = path.join(dist, 'types')
  const all = (name: string): boolean => name.endsWith('.d.ts')
  // Generated modules hold types only, and an ES module may take those from CommonJS: once is enough for both.
  const forEsm = (text: string): string => shared(text).replace(/from '(\.\/[\w-]+)\.ts'/g, "from '$1.js'")
  const forCjs = (text: string): string => shared(text).replace(/from '(\.\/[\w-]+)\.ts'/g, "from '$1.cjs'")
  copy(types, dist, all, forEsm)
  copy(types, dist, all, forCjs, name => name.replace(/\.d\.ts$/, '.d.cts'))
  copy(path.join(types, 'generated'), path.join(dist, 'generated'), all, forCjs, name => name.replace(/\.d\.ts$/, '.d.cts'))
  vendorTypes()
  for (const folder of [stage, types]) rmSync(folder, { recursive: true })
}

const shared = (text: string): string =>
  text.replace(/'\.\/generated\/([\w-]+)\.ts'/g, "'./generated/$1.cjs'").replace("'openapi-fetch'", "'./generated/openapi-fetch.cjs'")

/** The types of the bundled openapi-fetch, so that nothing has to be installed for them either. */
function vendorTypes(): void {
  const folder = path.join(dist, 'generated')
  const fetchTypes = readFileSync(path.join(packageFolder('openapi-fetch'), 'dist/index.d.cts'), 'utf8')
  writeFileSync(
    path.join(folder, 'openapi-fetch.d.cts'),
    fetchTypes.replaceAll("'openapi-typescript-helpers'", "'./openapi-typescript-helpers.cjs'"),
  )
  cpSync(path.join(packageFolder('openapi-typescript-helpers'), 'dist/index.d.cts'), path.join(folder, 'openapi-typescript-helpers.d.cts'))
}

const packageFolder = (name: string): string => path.dirname(require.resolve(`${name}/package.json`))

type Change = (text: string) => string
/** Copies the files of a folder, changed on the way. */
function copy(from: string, to: string, wanted: (name: string) => boolean, change: Change, rename: Change = name => name): void {
  mkdirSync(to, { recursive: true })
  const files = readdirSync(from, { withFileTypes: true }).filter(entry => entry.isFile() && wanted(entry.name))
  for (const { name } of files) writeFileSync(path.join(to, rename(name)), change(readFileSync(path.join(from, name), 'utf8')))
}

// `npm pack` and `npm publish` run this before (`prepack`) and after (`postpack`). In the repository the package is its sources; what is published is
// `dist`, made by the compiler alone: one module per source, so that a bundler can leave out what is not used.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const folder = path.resolve(import.meta.dirname, '..')
const manifest = path.join(folder, 'package.json')
const lib = path.join(folder, 'dist/lib')
const kept = path.join(folder, 'package.source.json')

function build(): void {
  rmSync(lib, { recursive: true, force: true })
  const compiler = createRequire(import.meta.url).resolve('typescript/package.json')
  const tsc = path.join(path.dirname(compiler), 'bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', path.join(folder, 'build')], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the library does not compile:\n${stdout}`)
  // The compiler renames the imports of the modules and leaves those of their types.
  for (const name of readdirSync(lib).filter(file => file.endsWith('.d.ts'))) {
    const file = path.join(lib, name)
    writeFileSync(file, readFileSync(file, 'utf8').replace(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'"))
  }
}

/** package.json as it is published. */
function published(source: Record<string, unknown>): Record<string, unknown> {
  const { scripts: _, devDependencies: __, ...rest } = source
  return {
    ...rest,
    // Of the library only: the app beside it lives from them.
    sideEffects: false,
    types: './dist/lib/index.d.ts',
    files: ['dist/lib'],
    exports: { '.': { types: './dist/lib/index.d.ts', default: './dist/lib/index.js' }, './package.json': './package.json' },
  }
}

if (process.argv[2] === 'before') {
  // A file that is there was left by a run that was broken off; it is the original.
  if (existsSync(kept)) renameSync(kept, manifest)
  build()
  const text = readFileSync(manifest, 'utf8')
  writeFileSync(kept, text)
  writeFileSync(manifest, `${JSON.stringify(published(JSON.parse(text) as Record<string, unknown>), null, 2)}\n`)
} else if (existsSync(kept)) renameSync(kept, manifest)

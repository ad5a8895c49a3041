// `npm pack` and `npm publish` run this before (`prepack`) and after (`postpack`). In the repository the package is its sources, so that nobody has to
// build anything; what is published is `dist`. The difference is a few fields of package.json, exchanged while npm reads it.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build, entries } from './build.ts'

const folder = path.resolve(import.meta.dirname, '..')
const manifest = path.join(folder, 'package.json')
const kept = path.join(folder, 'package.source.json')

interface Manifest {
  exports: Record<string, unknown>
  [field: string]: unknown
}

/** package.json as it is published. */
export function published(source: Manifest): Manifest {
  const { scripts: _, devDependencies: __, ...rest } = source
  const exports = entries.map(name => [
    name === 'index' ? '.' : `./${name}`,
    {
      import: { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` },
      require: { types: `./dist/${name}.d.cts`, default: `./dist/${name}.cjs` },
    },
  ])
  return {
    ...rest,
    // For those that do not read `exports`.
    main: './dist/index.cjs',
    types: './dist/index.d.cts',
    bin: { voipbin: './dist/cli.js' },
    exports: { ...Object.fromEntries(exports), './package.json': './package.json' },
  }
}

if (import.meta.main) {
  if (process.argv[2] === 'before') {
    // A file that is there was left by a run that was broken off; it is the original.
    if (existsSync(kept)) renameSync(kept, manifest)
    await build()
    const text = readFileSync(manifest, 'utf8')
    writeFileSync(kept, text)
    writeFileSync(manifest, `${JSON.stringify(published(JSON.parse(text) as Manifest), null, 2)}\n`)
  } else if (existsSync(kept)) renameSync(kept, manifest)
}

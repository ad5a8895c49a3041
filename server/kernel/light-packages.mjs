// Preloaded (`node --import`) by everything that uses drizzle-orm. Node reads the package.json of a module's package again for every module
// of it, to learn whether `.js` means ESM; drizzle's lists 2,000 exports in 220 kB, which cost each process 0.7 s of CPU. Inside that
// package every `.js` file is ESM, so the answer is given here.
import { registerHooks } from 'node:module'

const PACKAGE = '/node_modules/drizzle-orm/'

registerHooks({
  resolve(specifier, context, next) {
    const isInside = specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.includes(PACKAGE)
    return isInside ? { url: new URL(specifier, context.parentURL).href, format: 'module', shortCircuit: true } : next(specifier, context)
  },
})

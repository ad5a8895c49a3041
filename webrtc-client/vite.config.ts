import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// The base is relative: the gateway serves the built files at /softphone/, a static host anywhere else.
export default defineConfig({
  root: here('./app'),
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { outDir: here('./dist/app'), emptyOutDir: true, target: 'es2022', sourcemap: false },
})

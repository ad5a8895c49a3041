import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach } from 'vitest'
import type { Io } from './io.ts'
import { run } from './run.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

export interface Given {
  env?: Record<string, string>
  /** What is typed or piped in, a line for each question. */
  input?: string
  tty?: boolean
  columns?: number
}

export interface World {
  io: Io
  /** Where `XDG_CONFIG_HOME` points. */
  config: string
  out(): string
  err(): string
  /** Ctrl-C. */
  interrupt(): void
  /** Runs a command line and gives its exit code and what it wrote since. */
  run(...words: string[]): Promise<{ code: number; out: string; err: string }>
}

/** A place to run commands in, with a configuration folder of its own. */
export function world({ env = {}, input = '', tty = false, columns = 100 }: Given = {}): World {
  const config = mkdtempSync(path.join(os.tmpdir(), 'voipbin-cli-'))
  folders.push(config)
  const stop = new AbortController()
  let [out, err] = ['', '']
  const lines = input.split('\n')
  const io: Io = {
    env: { XDG_CONFIG_HOME: config, NO_COLOR: '1', ...env },
    out: text => {
      out += typeof text === 'string' ? text : new TextDecoder('latin1').decode(text)
    },
    err: text => {
      err += text
    },
    outIsTty: tty,
    errIsTty: tty,
    inIsTty: tty,
    columns,
    ask: async question => {
      if (tty) err += question
      return lines.shift() ?? ''
    },
    readAll: async () => input,
    signal: stop.signal,
  }
  return {
    io,
    config,
    out: () => out,
    err: () => err,
    interrupt: () => stop.abort(new Error('interrupted')),
    run: async (...words) => {
      const [o, e] = [out.length, err.length]
      const code = await run(io, words, '1.2.3')
      return { code, out: out.slice(o), err: err.slice(e) }
    },
  }
}

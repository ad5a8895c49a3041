import { existsSync, readdirSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs, stripVTControlCharacters } from 'node:util'
import { tail } from '../files.ts'
import { UsageError } from '../flags.ts'
import { pathsOf } from '../paths.ts'

const POLL_MS = 250

/** `logs [name…] [-f] [-n lines]`: the last lines of each log, or of the named ones; `-f` goes on until Ctrl-C. */
export async function logs(args: string[]): Promise<number> {
  const options = {
    follow: { type: 'boolean', short: 'f', default: false },
    lines: { type: 'string', short: 'n', default: '20' },
    home: { type: 'string', default: '.voipbin' },
  } as const
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
  const folder = pathsOf(values.home).logs
  const known = existsSync(folder)
    ? readdirSync(folder)
        .filter(f => f.endsWith('.log'))
        .map(f => f.slice(0, -4))
    : []
  if (known.length === 0) throw new UsageError('There are no logs yet. `npm start` makes them.')
  const unknown = positionals.find(name => !known.includes(name))
  if (unknown !== undefined) throw new UsageError(`There is no log "${unknown}". There are: ${known.join(', ')}.`)
  const names = positionals.length > 0 ? positionals : known
  const width = Math.max(...names.map(n => n.length))
  const show = (name: string, line: string) => {
    const plain = stripVTControlCharacters(line)
    process.stdout.write(names.length === 1 ? `${plain}\n` : `${name.padEnd(width)} | ${plain}\n`)
  }
  for (const name of names) for (const line of tail(path.join(folder, `${name}.log`), Number(values.lines))) show(name, line)
  if (values.follow)
    await Promise.race([interrupted(), ...names.map(name => follow(path.join(folder, `${name}.log`), line => show(name, line)))])
  return 0
}

const interrupted = () => new Promise<void>(resolve => process.once('SIGINT', () => resolve()))

async function follow(file: string, show: (line: string) => void): Promise<void> {
  let position = (await stat(file)).size
  let rest = ''
  for (;;) {
    await delay(POLL_MS)
    const { size } = await stat(file)
    if (size < position) position = 0
    if (size === position) continue
    const handle = await open(file)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - position), 0, size - position, position)
    await handle.close()
    position += bytesRead
    const lines = (rest + buffer.subarray(0, bytesRead).toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) show(line)
  }
}

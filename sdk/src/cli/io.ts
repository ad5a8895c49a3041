import { once } from 'node:events'

/** What a command sees of the world; tests give it another one. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Results. */
  out(text: string | Uint8Array): void
  /** Everything said to people beside the results. */
  err(text: string): void
  readonly outIsTty: boolean
  readonly errIsTty: boolean
  readonly inIsTty: boolean
  /** Width of the terminal in characters. */
  readonly columns: number
  /** One line from the terminal, or from standard input when that is none. Hidden ones are not shown. */
  ask(question: string, hidden?: boolean): Promise<string>
  /** All of standard input. */
  readAll(): Promise<string>
  /** Ctrl-C. */
  readonly signal: AbortSignal
}

export type Style = 'bold' | 'red' | 'green' | 'dim'
const codes: Record<Style, number> = { bold: 1, red: 31, green: 32, dim: 2 }

/** Colours for a terminal that wants them (https://no-color.org). */
export const styled = (io: Io, isTty: boolean, style: Style, text: string): string =>
  isTty && !io.env.NO_COLOR && io.env.TERM !== 'dumb' ? `\u001b[${codes[style]}m${text}\u001b[0m` : text

/** One line on the terminal that tells how far long work is; nothing anywhere else. */
export class Progress {
  readonly #io: Io
  constructor(io: Io) {
    this.#io = io
  }
  show(text: string): void {
    if (this.#io.errIsTty) this.#io.err(`\r\u001b[2K${text}`)
  }
  clear(): void {
    this.show('')
  }
}

/** The process itself. The first Ctrl-C asks for an end, a second one makes it. */
export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Interrupted()))
  // Whoever reads the output may have seen enough: `voipbin calls list | head`.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  return {
    env,
    out: text => void stdout.write(text),
    err: text => void stderr.write(text),
    outIsTty: stdout.isTTY === true,
    errIsTty: stderr.isTTY === true,
    inIsTty: stdin.isTTY === true,
    columns: stdout.columns ?? (Number(env.COLUMNS) || 80),
    ask: (question, hidden) => (stdin.isTTY ? askTerminal(question, hidden, stop.signal) : firstLine()),
    readAll,
    signal: stop.signal,
  }
}

/** Ctrl-C, or being told to end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

let piped: Promise<string> | undefined
/** Read once: several flags may ask for it. */
function readAll(): Promise<string> {
  piped ??= (async () => {
    const chunks: Buffer[] = []
    for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array))
    return Buffer.concat(chunks).toString('utf8')
  })()
  return piped
}

const firstLine = async (): Promise<string> => ((await readAll()).split('\n')[0] ?? '').replace(/\r$/, '')

/** Key by key, because a terminal shows whole lines as they are typed. */
async function askTerminal(question: string, hidden = false, signal: AbortSignal): Promise<string> {
  const { stdin, stderr } = process
  stderr.write(question)
  if (hidden) stdin.setRawMode(true)
  stdin.resume()
  let text = ''
  try {
    for (;;) {
      const [chunk] = (await once(stdin, 'data', { signal })) as [Buffer]
      for (const letter of chunk.toString('utf8')) {
        // In raw mode Ctrl-C and Ctrl-D are letters like others.
        if (letter === '\u0003' || letter === '\u0004') throw new Interrupted()
        if (letter === '\r' || letter === '\n') return text
        if (letter === '\u007f' || letter === '\b') text = text.slice(0, -1)
        else text += letter
      }
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    if (hidden) {
      stdin.setRawMode(false)
      stderr.write('\n')
    }
    stdin.pause()
  }
}

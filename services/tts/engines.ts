import { spawn } from 'node:child_process'
import type { Speech } from '@voipbin/generated/schemas'
import { Slots } from './slots.ts'
import type { Voice } from './voices.ts'

/** How long an engine may take, in milliseconds. A sentence takes some 50, the longest text a few thousand. */
const limit_ms = 60_000
/** More than twenty minutes of audio: something runs away. */
const maxBytes = 20 * 1024 * 1024
/** Engines at the same time; each is busy for some 50 ms. */
const slots = new Slots(4)

const toRaw = '-t raw -e signed-integer -b 16 -r 8000 -c 1 -L -'
/** The text comes on the standard input and the voice as an argument: neither is ever part of a command. */
const scripts: Record<Speech['engine'], string> = {
  // flite wants a file to read and one it can seek in.
  flite: `d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && cat > "$d/text" && flite -voice "$1" -f "$d/text" -o "$d/wav" && sox -G "$d/wav" ${toRaw}`,
  // The length in the header of a streamed WAV means nothing.
  'espeak-ng': `espeak-ng -v "$1" -b 1 --stdin --stdout | sox -G -t wav --ignore-length - ${toRaw}`,
}
const versions = 'flite --version 2>&1; espeak-ng --version'

export interface RunOptions {
  /** The program that runs its arguments where the engines are. */
  runner: string
  signal: AbortSignal
  limit_ms?: number
}

/** Speaks a text: raw samples, 8 kHz, 16 bit, mono, little-endian. Throws when the engine fails or takes too long. */
export const speak = (text: string, { engine, voice }: Voice, options: RunOptions): Promise<Buffer> =>
  slots.use(options.signal, () => run(scripts[engine], { ...options, args: [voice], input: `${text}\n` }))

const known = new Map<string, Promise<string>>()

/** What the engines say they are: another version speaks differently. Asked once. */
export function engineVersions(options: RunOptions): Promise<string> {
  const { runner } = options
  let answer = known.get(runner)
  if (!answer) {
    answer = run(versions, { ...options, args: [], input: '' }).then(text => text.toString('utf8'))
    known.set(runner, answer)
    answer.catch(() => known.delete(runner))
  }
  return answer
}

/** Runs a script through the runner. The whole process group is killed at the limit, or when the signal aborts. */
function run(script: string, options: RunOptions & { args: readonly string[]; input: string }): Promise<Buffer> {
  const { runner, signal, args, input } = options
  return new Promise((resolve, reject) => {
    const child = spawn(runner, ['sh', '-c', script, 'speech', ...args], {
      detached: true,
      stdio: 'pipe',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
    })
    const output: Buffer[] = []
    let size = 0
    let said = ''
    let failure: Error | undefined
    const kill = (reason: string) => {
      failure ??= new Error(reason)
      if (child.pid !== undefined && child.exitCode === null) killGroup(child.pid)
    }
    const late = AbortSignal.timeout(options.limit_ms ?? limit_ms)
    const over = AbortSignal.any([signal, late])
    const abort = () =>
      kill(late.aborted ? `the speech engine took longer than ${options.limit_ms ?? limit_ms} ms` : 'nobody waits for the speech any more')
    over.addEventListener('abort', abort, { once: true })
    child.stdout.on('data', (bytes: Buffer) => {
      output.push(bytes)
      size += bytes.length
      if (size > maxBytes) kill('the speech engine did not stop')
    })
    child.stderr.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString('utf8')).slice(-1_000)
    })
    // An engine that ends without reading everything is judged by how it ends.
    child.stdin.on('error', error => {
      said += error.message
    })
    child.on('error', error => {
      failure ??= error
    })
    child.on('close', code => {
      over.removeEventListener('abort', abort)
      if (!failure && code === 0) resolve(Buffer.concat(output))
      else reject(failure ?? new Error(`the speech engine ended with ${code}: ${said.trim()}`))
    })
    child.stdin.end(input)
    if (signal.aborted) abort()
  })
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // It ended by itself in this moment.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { tryLock } from '../../lock.mjs'
import { createProgress, type Progress, seconds } from '../../progress.mjs'
import { control, NotRunning } from '../control.ts'
import { PlatformError } from '../errors.ts'
import { privateFolder } from '../files.ts'
import { type Flags, parseFlags } from '../flags.ts'
import { checkHome, pathsOf } from '../paths.ts'
import { type Platform, startPlatform } from '../platform.ts'
import { readState } from '../state.ts'
import { summary } from '../summary.ts'

/** Set in the process that `--detach` leaves behind. */
const DETACHED = 'VOIPBIN_DETACHED'

/** What the detached process tells the one in the terminal. */
type Message = { text: string } | { exit: number }

export async function start(args: string[]): Promise<number> {
  const flags = parseFlags(args)
  checkHome(flags.home)
  const paths = pathsOf(flags.home)
  if (process.env[DETACHED] !== undefined) return runDetached(flags)
  const release = await tryLock(path.join(paths.run, 'platform.lock'))
  if (!release) return alreadyRunning(flags)
  if (flags.detach) {
    await release()
    return detach(args, flags)
  }
  return run(flags, createProgress(process.stdout), text => process.stdout.write(text), release)
}

/** Runs the platform in this process until it is told to stop. */
async function run(
  flags: Flags,
  progress: Progress,
  print: (text: string) => void,
  release: () => Promise<void>,
  ready?: () => void,
): Promise<number> {
  const began = Date.now()
  const asked = Promise.withResolvers<string>()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => asked.resolve(name))
  const say = (text: string) => progress.line(`${new Date().toISOString().slice(11, 19)}  ${text}`)
  progress.line('Starting VoIPBIN')
  const given = new AbortController()
  void asked.promise.then(() => given.abort())
  let platform: Platform
  try {
    platform = await startPlatform({ flags, progress, say, onStop: () => asked.resolve('npm stop'), signal: given.signal })
  } catch (error) {
    if (!given.signal.aborted) throw error
    progress.line(`Given up (${await asked.promise}); nothing is left running.`)
    return 130
  }
  progress.line()
  print(summary(platform.state, { took: seconds(Date.now() - began), detached: flags.detach }))
  ready?.()
  const reason = await asked.promise
  const stopping = Date.now()
  print(`\nStopping (${reason})\n`)
  await platform.stop()
  progress.close()
  print(`Stopped in ${seconds(Date.now() - stopping)}; nothing is left running.\n`)
  await release()
  return 0
}

/** Starts a process of its own session that goes on after the terminal, shows what it says, answers with its result. */
async function detach(args: string[], flags: Flags): Promise<number> {
  const paths = pathsOf(flags.home)
  privateFolder(paths.logs)
  const log = openSync(path.join(paths.logs, 'supervisor.log'), 'a')
  const tty = { isTTY: Boolean(process.stdout.isTTY), columns: process.stdout.columns }
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1, 2), 'start', ...args], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...process.env, [DETACHED]: JSON.stringify(tty) },
  })
  closeSync(log)
  // Ctrl-C here must not leave half a platform behind
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => child.kill('SIGTERM'))
  return new Promise(resolve => {
    child.on('message', (message: Message) => {
      if ('text' in message) process.stdout.write(message.text)
      else {
        child.disconnect()
        child.unref()
        resolve(message.exit)
      }
    })
    child.once('exit', code => resolve(code ?? 1))
  })
}

async function runDetached(flags: Flags): Promise<number> {
  const tty: { isTTY: boolean; columns?: number } = JSON.parse(process.env[DETACHED] ?? '{}')
  const paths = pathsOf(flags.home)
  const send = (message: Message) => process.connected && process.send?.(message)
  // the terminal may go away at any time
  process.on('disconnect', () => undefined)
  const print = (text: string) => {
    send({ text })
    if (!text.startsWith('\r')) process.stdout.write(text)
  }
  const release = await tryLock(path.join(paths.run, 'platform.lock'))
  if (!release) throw new PlatformError('Another start in this folder was quicker.')
  try {
    return await run(flags, createProgress({ write: print, ...tty }), print, release, () => send({ exit: 0 }))
  } catch (error) {
    print(`\n✗ ${error instanceof Error ? error.message : error}\n`)
    return 1
  }
}

/** Somebody started it here before: waits until that start is through, then says what is there. */
async function alreadyRunning(flags: Flags): Promise<number> {
  const paths = pathsOf(flags.home)
  process.stdout.write('VoIPBIN already runs in this folder; nothing new is started.\n')
  const end = Date.now() + 120_000
  while (Date.now() < end) {
    // asked first: the running one puts a removed state file back
    const isThere = await answers(flags)
    const state = readState(paths)
    if (state?.status === 'ready' && isThere) {
      process.stdout.write(summary(state, { took: `started ${state.tm_start}`, detached: true }))
      return 0
    }
    if (state?.status === 'failed') throw new PlatformError('The other start failed: see .voipbin/log/supervisor.log or its terminal.')
    if (state?.status === 'stopping') throw new PlatformError('It is just stopping. Start again in a few seconds.')
    await delay(200)
  }
  throw new PlatformError('It did not become ready within two minutes. See: npm run status, npm run logs')
}

async function answers(flags: Flags): Promise<boolean> {
  return control(pathsOf(flags.home), { command: 'status' }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof NotRunning) return false
      throw error
    },
  )
}

// One holder at a time across processes, by a kernel lock (`flock`): it vanishes with its holder, whatever kills it, and works across
// pid namespaces. The file's content (the pid) is only there to tell people who holds it.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** @typedef {() => Promise<void>} Release  resolves when the lock is free */

/**
 * Runs `work` while holding the lock on `file`.
 * @template T
 * @param {string} file
 * @param {(holder: string) => void} onWait  called once when somebody else holds it
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, onWait, work) {
  mkdirSync(path.dirname(file), { recursive: true })
  let release = await tryLock(file)
  if (!release) {
    onWait(readHolder(file))
    release = await acquire(file, [])
  }
  if (!release) throw new Error(`cannot lock ${file}`)
  try {
    return await work()
  } finally {
    await release()
  }
}

/**
 * Takes the lock if nobody holds it.
 * @param {string} file
 * @returns {Promise<Release | undefined>} nothing when somebody else holds it
 */
export function tryLock(file) {
  mkdirSync(path.dirname(file), { recursive: true })
  return acquire(file, ['-n'])
}

/** @param {string} file */
function readHolder(file) {
  return readFileSync(file, 'utf8').trim() || 'unknown'
}

/**
 * @param {string} file
 * @param {string[]} options
 * @returns {Promise<Release | undefined>}
 */
function acquire(file, options) {
  // the helper says "held" and then reads its stdin, which closes when we end: the lock cannot outlive us.
  // Its own session, so that Ctrl-C does not take it away while we are still stopping.
  const child = spawn('flock', [...options, '-x', file, '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  const ended = new Promise(resolve => child.once('exit', () => resolve(undefined)))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.stdout.once('data', () => {
      writeFileSync(file, `${process.pid}\n`)
      resolve(async () => {
        child.stdin.end()
        await ended
      })
    })
    void ended.then(() => resolve(undefined))
  })
}

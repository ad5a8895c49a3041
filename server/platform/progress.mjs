// What a person sees while something takes longer than a second. Plain lines on a dumb terminal or in CI, one live line on a TTY.
// Plain JavaScript without dependencies: the bootstrap uses it before anything is installed.

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
const QUIET_MS = 1000
const REPEAT_MS = 10_000

/**
 * @typedef {object} Step
 * @property {(detail: string) => void} note     what it is doing now
 * @property {(detail?: string) => void} done    closes the step with its time
 * @property {(detail?: string) => void} fail    closes the step as failed
 * @typedef {object} Progress
 * @property {(name: string) => Step} step       opens a step; nothing is printed for the first second
 * @property {(text?: string) => void} line      prints a line above the live one
 * @property {() => void} close
 */

/** @param {number} ms */
export const seconds = ms => `${(ms / 1000).toFixed(1)} s`

/**
 * @param {{ write: (text: string) => unknown, isTTY?: boolean, columns?: number }} out
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Progress}
 */
export function createProgress(out, env = process.env) {
  const live = Boolean(out.isTTY) && env.TERM !== 'dumb' && !env.CI
  const color = live && !env.NO_COLOR
  /** @type {Set<{ name: string, detail: string, since: number, said: number, saidDetail: string }>} */
  const running = new Set()
  /** @type {NodeJS.Timeout | undefined} */
  let timer
  let frame = 0

  /** @param {string} code @param {string} text */
  const paint = (code, text) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
  const clear = () => live && out.write('\r\u001b[2K')
  /** @param {string} text */
  const line = text => {
    clear()
    out.write(`${text}\n`)
    if (live) draw()
  }
  const draw = () => {
    const now = Date.now()
    const parts = [...running]
      .filter(s => now - s.since >= QUIET_MS)
      .map(s => `${s.name} ${seconds(now - s.since)}${s.detail && ` – ${s.detail}`}`)
    if (parts.length === 0) return
    frame = (frame + 1) % FRAMES.length
    out.write(`\r\u001b[2K${FRAMES[frame]} ${parts.join('  ·  ').slice(0, (out.columns ?? 100) - 3)}`)
  }
  const repeat = () => {
    const now = Date.now()
    for (const s of running) {
      const first = s.said === 0
      if (now - s.since < QUIET_MS || (!first && now - s.said < REPEAT_MS)) continue
      s.said = now
      out.write(`  … ${s.name}${first ? '' : ` (${Math.round((now - s.since) / 1000)} s)`}${s.detail && `: ${s.detail}`}\n`)
    }
  }
  const tick = () => (live ? draw() : repeat())

  return {
    step(name) {
      const step = { name, detail: '', since: Date.now(), said: 0, saidDetail: '' }
      running.add(step)
      timer ??= setInterval(tick, live ? 100 : 500)
      timer.unref()
      /** @param {string} mark @param {string} detail */
      const end = (mark, detail) => {
        if (!running.delete(step)) return
        if (running.size === 0) {
          clearInterval(timer)
          timer = undefined
        }
        line(`  ${mark} ${name.padEnd(22)} ${seconds(Date.now() - step.since).padStart(7)}${detail && `  ${paint('2', detail)}`}`)
      }
      return {
        note: detail => {
          step.detail = detail
        },
        done: (detail = '') => end(paint('32', '✓'), detail),
        fail: (detail = '') => end(paint('31', '✗'), detail),
      }
    },
    line: (text = '') => line(text),
    close() {
      clearInterval(timer)
      timer = undefined
      running.clear()
      clear()
    },
  }
}

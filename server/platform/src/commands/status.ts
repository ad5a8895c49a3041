import process from 'node:process'
import { parseArgs } from 'node:util'
import { control, NotRunning } from '../control.ts'
import { leftovers } from '../leftovers.ts'
import { pathsOf } from '../paths.ts'
import { readState } from '../state.ts'
import type { ProcessStatus } from '../supervise.ts'

interface Answer {
  status: string
  processes: ProcessStatus[]
}

/** A table of all processes, asked live; exit code 0 only when everything is ready. `--json` prints the answer as it is. */
export async function status(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { json: { type: 'boolean', default: false }, home: { type: 'string', default: '.voipbin' } },
  })
  const paths = pathsOf(values.home)
  const answer = await ask(values.home)
  if (values.json) {
    process.stdout.write(`${JSON.stringify(answer ?? { status: 'stopped', processes: [] }, null, 2)}\n`)
  } else if (!answer) {
    const left = leftovers(paths).length
    process.stdout.write(
      left > 0
        ? `The supervisor is gone, but ${left} of its processes still run: \`npm start\` replaces them, \`npm stop\` ends them.\n`
        : 'VoIPBIN is not running here. `npm start` starts it.\n',
    )
  } else {
    process.stdout.write(`VoIPBIN is ${answer.status} (${readState(paths)?.api_url ?? ''})\n\n${table(answer.processes)}\n`)
  }
  return answer?.status === 'ready' && answer.processes.every(p => p.problem === null) ? 0 : 3
}

async function ask(home: string): Promise<Answer | undefined> {
  try {
    return (await control(pathsOf(home), { command: 'status' })) as Answer
  } catch (error) {
    if (error instanceof NotRunning) return undefined
    throw error
  }
}

function table(processes: readonly ProcessStatus[]): string {
  const width = Math.max(...processes.map(p => p.name.length), 4)
  const head = `  ${'NAME'.padEnd(width)}  STATE       PID      UP        RESTARTS`
  const rows = processes.map(p => {
    const up = p.phase === 'ready' ? `${p.uptime_s} s` : ''
    return `  ${p.name.padEnd(width)}  ${p.phase.padEnd(10)}  ${String(p.pid).padEnd(7)}  ${up.padEnd(8)}  ${p.restarts}${p.problem && p.phase === 'ready' ? `  ! ${p.problem}` : ''}`
  })
  return [head, ...rows].join('\n')
}

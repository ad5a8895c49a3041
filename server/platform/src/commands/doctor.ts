import { accessSync, constants, statfsSync } from 'node:fs'
import { freemem } from 'node:os'
import process from 'node:process'
import { debianMirror, isProvisioned, onPath } from '../../provision.mjs'
import { control, NotRunning } from '../control.ts'
import { parseFlags } from '../flags.ts'
import { leftovers } from '../leftovers.ts'
import { pathsOf, ROOT } from '../paths.ts'
import { portsOf, takenPorts } from '../ports.ts'
import type { ProcessStatus } from '../supervise.ts'

interface Check {
  name: string
  /** What is wrong; nothing when it is fine. */
  problem?: string
  fix?: string
  /** It would work, but not well. */
  warning?: boolean
}

const GIB = 1024 ** 3

/** Looks at the machine and at the platform; every finding with what to do. Exit code 1 when something is broken. */
export async function doctor(args: string[]): Promise<number> {
  const flags = parseFlags(args)
  const paths = pathsOf(flags.home)
  const running = await ask(flags.home)
  const checks = [...machine(), ...(running ? platform(running) : stopped(paths, flags))]
  for (const { name, problem, fix, warning } of checks) {
    process.stdout.write(
      problem === undefined ? `  ✓ ${name}\n` : `  ${warning ? '!' : '✗'} ${name}: ${problem}\n${fix ? `      ${fix}\n` : ''}`,
    )
  }
  const broken = checks.filter(c => c.problem !== undefined && !c.warning).length
  process.stdout.write(broken === 0 ? '\nEverything is in order.\n' : `\n${broken} to mend.\n`)
  return broken === 0 ? 0 : 1
}

async function ask(home: string): Promise<ProcessStatus[] | undefined> {
  try {
    return ((await control(pathsOf(home), { command: 'status' })) as { processes: ProcessStatus[] }).processes
  } catch (error) {
    if (error instanceof NotRunning) return undefined
    throw error
  }
}

function machine(): Check[] {
  const disk = statfsSync(ROOT)
  const free = (disk.bavail * disk.bsize) / GIB
  const memory = freemem() / GIB
  const when = (bad: boolean, problem: string, fix: string, warning = false): Partial<Check> => (bad ? { problem, fix, warning } : {})
  const missing = ['mount', 'unshare', 'flock', 'perl', 'tar'].filter(command => !onPath(command))
  return [
    {
      name: `Node ${process.versions.node}`,
      ...when(Number(process.versions.node.split('.')[0]) < 24, 'older than 24', 'rm -rf node_modules && npm start'),
    },
    { name: 'system tools', ...when(missing.length > 0, `${missing.join(', ')} missing`, 'apt-get install mount util-linux perl tar') },
    {
      name: `disk: ${free.toFixed(1)} GiB free`,
      ...when(free < 4, 'less than 4 GiB', 'Make room: the servers take 1.2 GiB, the packages 1 GiB.', free > 2),
    },
    {
      name: `memory: ${memory.toFixed(1)} GiB free`,
      ...when(memory < 1.5, 'less than 1.5 GiB', 'Close something: the platform needs about 1.5 GiB.', true),
    },
    mirror(),
    { name: 'servers unpacked', ...when(!isProvisioned(pathsOf('.voipbin').home, 'rootfs'), 'not yet', '`npm start` does it.', true) },
  ]
}

function mirror(): Check {
  try {
    accessSync('/etc/apt', constants.R_OK)
    return { name: `Debian mirror ${new URL(debianMirror()).host}` }
  } catch (error) {
    return {
      name: 'Debian mirror',
      problem: error instanceof Error ? error.message : String(error),
      fix: 'Only needed to build the servers the first time.',
      warning: true,
    }
  }
}

function platform(processes: readonly ProcessStatus[]): Check[] {
  return processes.map(p => {
    const name = `${p.name} (process ${p.pid}, ${p.restarts} restarts)`
    if (p.phase !== 'ready') return { name, problem: `is ${p.phase}`, fix: `npm run logs ${p.name}` }
    if (p.problem !== null)
      return {
        name,
        problem: `does not answer: ${p.problem}`,
        fix: `npm run logs ${p.name}; end process ${p.pid} and the supervisor starts it again`,
      }
    return { name }
  })
}

function stopped(paths: ReturnType<typeof pathsOf>, flags: ReturnType<typeof parseFlags>): Check[] {
  const left = leftovers(paths)
  const ports = portsOf(flags)
  const own = new Set(left.map(p => p.pid))
  const taken = takenPorts(ports).filter(t => ![...own].some(pid => t.holder.startsWith(`process ${pid} `)))
  return [
    {
      name: 'platform is not running',
      ...(left.length > 0 ? { problem: `but ${left.length} of its processes are`, fix: '`npm stop` ends them.' } : {}),
    },
    ...taken.map(t => ({
      name: `${t.protocol} port ${t.port}`,
      problem: `in use by ${t.holder}`,
      fix: t.port === ports.http ? `npm start -- --http-port ${t.port + 1}` : `npm start -- --port-base ${ports.base + 4000}`,
    })),
    ...(taken.length === 0 ? [{ name: `ports ${ports.base}–${ports.base + 3999} and ${ports.http} are free` }] : []),
  ]
}

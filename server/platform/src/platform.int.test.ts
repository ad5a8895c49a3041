// The launcher on real servers: a platform in a folder and on ports of its own, used by the tests one after another.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sippCall } from '../../../voip/testing/sipp.ts'
import { withAccessKey } from './api.ts'
import { run } from './chroot.ts'
import { control } from './control.ts'
import { selfTestActions } from './demo-flow.ts'
import { pathsOf, ROOT } from './paths.ts'
import { groupOf, ownedProcesses, signal } from './proc.ts'
import { loadSecrets } from './secrets.ts'
import type { CallEvidence } from './selftest.ts'
import { readState, stateSchema } from './state.ts'
import type { ProcessStatus } from './supervise.ts'

const home = mkdtempSync(path.join(tmpdir(), 'voipbin-launcher-'))
const paths = pathsOf(home)
// call and flow in processes of their own, to break them one by one
const PORTS = ['--port-base', '24000', '--http-port', '28900', '--instances', 'call=1,flow=1,kamailio=2']
const EDGES = ['kamailio', 'kamailio-2']
const SERVERS = ['mariadb', 'redis', 'epmd', 'rabbitmq', 'rtpengine', 'asterisk-call-1', 'asterisk-call-2', ...EDGES]
const PROXIES = ['asterisk-proxy-1', 'asterisk-proxy-2', 'kamailio-proxy']
const OURS = ['services-call', 'services-core', 'call', 'flow', ...PROXIES, 'gateway']
const ALL = [...SERVERS, ...OURS]

const cli = (...args: string[]) => run([process.execPath, path.join(ROOT, 'server/platform/src/main.ts'), ...args])
const start = (...args: string[]) => cli('start', '--detach', '--home', home, ...PORTS, ...args)
const stop = () => cli('stop', '--home', home)
const processes = async (): Promise<ProcessStatus[]> =>
  ((await control(paths, { command: 'status' })) as { processes: ProcessStatus[] }).processes
const find = async (name: string) => (await processes()).find(p => p.name === name)
const readyNames = async () => (await processes()).filter(p => p.phase === 'ready' && p.problem === null).map(p => p.name)
const allReady = () => expect.poll(readyNames, { timeout: 40_000, interval: 100 }).toEqual(expect.arrayContaining(ALL))

let firstStart: Awaited<ReturnType<typeof start>>
beforeAll(async () => {
  firstStart = await start()
})
afterAll(async () => {
  await stop()
  rmSync(home, { recursive: true, force: true })
})

describe('start --detach', () => {
  it('returns ready, with a call by way of each edge through each Asterisk as evidence, and goes on without the one who started it', async () => {
    expect(firstStart.stderr).toBe('')
    expect(firstStart.code).toBe(0)
    for (const [edge, name] of EDGES.flatMap(edge => ['asterisk-call-1', 'asterisk-call-2'].map(asterisk => [edge, asterisk]))) {
      const evidence = [
        `carrier → ${edge} → rtpengine → ${name} → \\+12025550199: SIP 200 after \\d+ ms, PCMU`,
        'RTP \\d+ packets sent \\(\\d+ at rtpengine\\), \\d+ heard; speech \\d+\\.\\d s at -\\d+ dB; digit 5 taken',
        'call [0-9a-f-]{36}: initiating 0 ms → ringing \\d+ ms → active \\d+ ms → completed \\d+ ms, normal_clearing',
        'flow answer → talk → digits_receive → hangup; ledger -0\\.01 USD',
      ]
      expect(firstStart.stdout).toMatch(new RegExp(evidence.join('\\s+')))
    }
    expect(firstStart.stdout).toContain('VoIPBIN is ready')
    expect(await readyNames()).toEqual(expect.arrayContaining(ALL))
    const supervisor = readState(paths)?.supervisor?.pid ?? 0
    expect(groupOf(supervisor)).toBe(supervisor)
  })

  it('writes a valid state file that names every process', () => {
    const state = readState(paths)
    expect(stateSchema.safeParse(state).success).toBe(true)
    expect(state?.status).toBe('ready')
    expect(Object.keys(state?.processes ?? {})).toEqual(expect.arrayContaining(ALL))
  })

  it('runs the servers as their own user', async () => {
    const owners = await run([
      'ps',
      '-o',
      'uid=',
      '-p',
      (await processes())
        .filter(p => SERVERS.includes(p.name))
        .map(p => p.pid)
        .join(','),
    ])
    expect(new Set(owners.stdout.trim().split(/\s+/))).toEqual(new Set(['64321']))
  })

  it('a second time starts nothing and says so', async () => {
    const again = await start()
    expect(again.code).toBe(0)
    expect(again.stdout).toContain('already runs')
  })

  it('puts a removed state file back', async () => {
    rmSync(paths.stateFile)
    expect((await cli('status', '--home', home)).code).toBe(0)
    expect(readState(paths)?.status).toBe('ready')
  })

  it('from another folder on the same ports says which port, who holds it and what to do', async () => {
    const other = mkdtempSync(path.join(tmpdir(), 'voipbin-launcher-other-'))
    const refused = await cli('start', '--detach', '--home', other, ...PORTS)
    expect(refused.code).toBe(1)
    expect(refused.stdout + refused.stderr).toMatch(
      new RegExp(`tcp 24001 +process \\d+ .*mariadbd.*of the VoIPBIN in ${home}[\\s\\S]*--port-base 28000`),
    )
    expect(ownedProcesses(other)).toEqual([])
    rmSync(other, { recursive: true, force: true })
  })

  it('doctor finds nothing to mend, and status is 0', async () => {
    const health = await cli('doctor', '--home', home, ...PORTS)
    expect(health.stdout).toContain('Everything is in order')
    expect((await cli('status', '--home', home)).code).toBe(0)
  })
})

describe('a process that dies', () => {
  it.each(ALL)('%s is started again after kill -9, all of its processes', async name => {
    const before = await find(name)
    signal(before?.pid ?? 0, 'SIGKILL')
    await expect.poll(async () => (await find(name))?.restarts).toBe((before?.restarts ?? 0) + 1)
    await allReady()
    expect((await find(name))?.pid).not.toBe(before?.pid)
  })

  it('and the call still works afterwards', async () => {
    const calls = (await control(paths, { command: 'selftest' })) as CallEvidence[]
    expect(new Set(calls.map(call => `${call.edge} ${call.asterisk}`)).size).toBe(4)
  })
})

describe('phones', () => {
  const client = () => withAccessKey(readState(paths)?.api_url ?? '', readState(paths)?.demo?.accesskey ?? '')
  const register = (edge: 'kamailio_sip' | 'kamailio_2_sip', phone: { username: string; password: string; domain: string }) =>
    sippCall('register', {
      target: `127.0.0.1:${readState(paths)?.ports[edge]}`,
      values: { USER: phone.username, PASSWORD: phone.password, DOMAIN: phone.domain, EXPIRES: 300 },
    })

  it.each(['kamailio_sip', 'kamailio_2_sip'] as const)('register again at %s after a kill -9 of its main process', async edge => {
    const phone = readState(paths)?.demo?.extensions[0]
    if (!phone) throw new Error('no demo extension')
    await register(edge, phone)
    signal((await find(edge.replace('_sip', '').replace('_', '-')))?.pid ?? 0, 'SIGKILL')
    await expect.poll(async () => (await readyNames()).length, { interval: 20 }).toBeLessThan(ALL.length)
    await allReady()
    await register(edge, phone)
    const [extension] = (await client().extensions.list({ extension: phone.extension })).result
    expect(extension?.registered).toBe(true)
  })

  it('of an extension whose password changes, or that is deleted, are forgotten at once', async () => {
    const { extensions } = client()
    const created = await extensions.create({ extension: '1099', password: 'first-password' })
    const phone = { ...created, password: 'first-password' }
    await register('kamailio_2_sip', phone)
    expect((await extensions.get(created.id)).contacts).toHaveLength(1)
    expect(await extensions.update(created.id, { password: 'second-password' })).toMatchObject({ registered: false, contacts: [] })
    await register('kamailio_sip', { ...phone, password: 'second-password' })
    await extensions.delete(created.id)
    // the edge knows phones by name and domain: whoever has the name next would inherit them
    const next = await extensions.create({ extension: '1099', password: 'third-password' })
    expect(await extensions.get(next.id)).toMatchObject({ registered: false, contacts: [] })
    await extensions.delete(next.id)
  })
})

describe('the self-test call', () => {
  const broken = [...EDGES, 'rtpengine', 'asterisk-call-1', 'asterisk-call-2', 'call', 'flow', 'services-call', 'services-core', ...PROXIES]
  it.each([...broken, 'gateway'])('fails and names %s when that is down', async name => {
    await control(paths, { command: 'hold', name })
    await expect(control(paths, { command: 'selftest' })).rejects.toThrow(new RegExp(`Self-test call failed[\\s\\S]*${name}:`))
    await control(paths, { command: 'restart', name })
    await allReady()
  })

  it.each(['kamailio', 'rtpengine', 'asterisk-call-2', 'call', 'asterisk-proxy-2', 'gateway'])(
    'fails and names %s when that hangs',
    async name => {
      const pid = (await find(name))?.pid ?? 0
      signal(-pid, 'SIGSTOP')
      await expect(control(paths, { command: 'selftest' })).rejects.toThrow(new RegExp(`Self-test call failed[\\s\\S]*${name}:`))
      signal(-pid, 'SIGCONT')
      await allReady()
    },
  )
})

describe('the self-test call, with everything alive', () => {
  const flow = async (actions: typeof selfTestActions) => {
    const client = withAccessKey(readState(paths)?.api_url ?? '', loadSecrets(paths).self_test.accesskey ?? '')
    const [own] = (await client.flows.list()).result
    await client.flows.update(own?.id ?? '', { actions })
  }
  afterAll(() => flow(selfTestActions))

  it.each([
    { what: 'nothing is spoken', actions: [{ type: 'answer' as const }], says: /no speech[\s\S]*answer ok/ },
    { what: 'no digit is taken', actions: selfTestActions.filter(({ type }) => type !== 'digits_receive'), says: /digits ""/ },
    {
      what: 'it is rejected',
      actions: [{ type: 'hangup' as const, option: { reason: 'user_busy' as const } }],
      says: /486[\s\S]*user_busy/,
    },
  ])('fails when $what, and tells what the platform knows of the call', async ({ actions, says }) => {
    await flow(actions)
    await expect(control(paths, { command: 'selftest' })).rejects.toThrow(says)
  })
})

describe('a supervisor that was killed', () => {
  it('leaves the servers running; the next start replaces them and says so', async () => {
    const supervisor = readState(paths)?.supervisor?.pid ?? 0
    signal(supervisor, 'SIGKILL')
    await expect.poll(() => existsSync(`/proc/${supervisor}/exe`)).toBe(false)
    const left = ownedProcesses(home)
    expect(left.length).toBeGreaterThanOrEqual(SERVERS.length)
    const again = await start()
    expect(again.stdout + again.stderr).toMatch(/ended \d+ processes that an earlier start had left running[\s\S]*VoIPBIN is ready/)
    expect(again.code).toBe(0)
    expect(left.filter(pid => ownedProcesses(home).includes(pid))).toEqual([])
  })
})

describe('a supervisor that nobody can ask', () => {
  it('because its folder was emptied is ended with all it started; the next start finds nothing in its way', async () => {
    const supervisor = readState(paths)?.supervisor?.pid ?? 0
    const kept = readFileSync(paths.secretsFile)
    for (const file of [paths.stateFile, paths.controlSocket]) rmSync(file)
    expect((await stop()).code).toBe(0)
    expect(existsSync(`/proc/${supervisor}/exe`)).toBe(false)
    expect(ownedProcesses(home)).toEqual([])
    expect(readFileSync(paths.secretsFile)).toEqual(kept)
    expect((await start()).code).toBe(0)
  })
})

describe('stop', () => {
  it('leaves no process, within five seconds, and a second time says that nothing runs', async () => {
    const began = Date.now()
    const first = await stop()
    expect(first.code).toBe(0)
    expect(Date.now() - began).toBeLessThan(30_000)
    expect(ownedProcesses(home)).toEqual([])
    const state = readState(paths)
    expect(state).toMatchObject({ status: 'stopped', supervisor: null, processes: {} })
    const second = await stop()
    expect(second.code).toBe(0)
    expect(second.stdout).toContain('was not running')
  })
})

describe('a start that cannot work', () => {
  let stranger: Server
  beforeAll(async () => {
    stranger = createServer()
    await new Promise<void>(resolve => stranger.listen(24_002, '127.0.0.1', resolve))
  })
  afterAll(() => new Promise(resolve => stranger.close(resolve)))

  it('names the stranger on its port', async () => {
    const refused = await start()
    expect(refused.code).toBe(1)
    expect(refused.stdout + refused.stderr).toMatch(new RegExp(`tcp 24002 +process ${process.pid} `))
  })
})

it('Ctrl-C while starting gives up at once and leaves nothing', async () => {
  await stop()
  const child = spawn(process.execPath, [path.join(ROOT, 'server/platform/src/main.ts'), 'start', '--home', home, ...PORTS])
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => {
      output += data
    })
  }
  const code = new Promise(resolve => child.once('exit', resolve))
  await expect.poll(() => readState(paths)?.processes.redis?.pid ?? 0, { interval: 20 }).toBeGreaterThan(0)
  child.kill('SIGINT')
  expect(await code).toBe(130)
  expect(output).toContain('Given up (SIGINT)')
  expect(ownedProcesses(home)).toEqual([])
})

it('a server that hangs while starting makes the start fail, names it, and leaves nothing', async () => {
  await stop()
  const child = spawn(process.execPath, [
    path.join(ROOT, 'server/platform/src/main.ts'),
    'start',
    '--detach',
    '--home',
    home,
    '--port-base',
    '28000',
    '--http-port',
    '32900',
  ])
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data))
  const code = new Promise(resolve => child.once('exit', resolve))
  await expect.poll(() => readState(paths)?.processes.kamailio?.pid ?? output, { timeout: 60_000, interval: 20 }).toBeTypeOf('number')
  signal(-(readState(paths)?.processes['asterisk-call-1']?.pid ?? 0), 'SIGSTOP')
  expect(await code).toBe(1)
  expect(output).toContain('asterisk-call-1')
  expect(output).not.toContain('VoIPBIN is ready')
  await expect.poll(() => ownedProcesses(home)).toEqual([])
}, 150_000)

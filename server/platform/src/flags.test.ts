import { describe, expect, it } from 'vitest'
import { parseFlags, UsageError } from './flags.ts'
import { healthPort, portNames, portsOf } from './ports.ts'
import { planServices, SERVICE_NAMES } from './services.ts'

describe('parseFlags', () => {
  it('has defaults for one machine', () => {
    expect(parseFlags([])).toEqual({
      detach: false,
      portBase: 18_000,
      httpPort: 8080,
      publicIp: null,
      domain: 'voipbin.test',
      processes: false,
      instances: {},
      home: '.voipbin',
    })
  })

  it('takes several instances in one list', () => {
    expect(parseFlags(['--instances', 'call=2,gateway=3', '--instances', 'kamailio=2']).instances).toEqual({
      call: 2,
      gateway: 3,
      kamailio: 2,
    })
  })

  it.each([
    [['--port-base', '80'], /--port-base 80: must be a whole number from 1024/],
    [['--port-base', 'x'], /--port-base x/],
    [['--http-port', '70000'], /--http-port 70000/],
    [['--public-ip', '1.2.3.400'], /--public-ip 1\.2\.3\.400: must be an IPv4/],
    [['--domain', 'UPPER'], /--domain UPPER/],
    [['--instances', 'call'], /--instances call: must be name=number/],
    [['--instances', 'kamailio=3'], /from 1 to 2/],
    [['--instances', 'telephony=2'], /telephony/],
    [['--nonsense'], /--nonsense/],
  ])('refuses %j', (args, message) => {
    expect(() => parseFlags(args)).toThrow(UsageError)
    expect(() => parseFlags(args)).toThrow(message)
  })
})

describe('portsOf', () => {
  it('never gives a port twice, and stays in its block', () => {
    const flags = { portBase: 20_000, httpPort: 9000, instances: { kamailio: 2 } }
    const ports = portsOf(flags)
    const own = Array.from({ length: 60 }, (_, n) => healthPort(ports, n)).flatMap(port => [port, port + 1])
    const carriers = [0, 2, 4, 6].map(n => ports.selfTest + n)
    const listed = [...Object.values(portNames(ports)), ...own, ...carriers, ports.carrier]
    expect(new Set(listed).size).toBe(listed.length)
    expect(listed.filter(port => port !== 9000).every(port => port >= 20_000 && port < 21_000)).toBe(true)
    expect(ports.rtpengineRtp).toEqual([21_000, 22_999])
    expect(ports.asteriskCall.map(a => a.rtp)).toEqual([
      [23_000, 23_499],
      [23_500, 23_999],
    ])
  })
})

describe('planServices', () => {
  const names = (list: { name: string }[]) => list.map(p => p.name)

  it('groups by default, and every service runs exactly once', () => {
    const plan = planServices({ processes: false, instances: {} })
    expect(plan.length).toBeLessThan(4)
    expect(plan.flatMap(p => p.services).sort()).toEqual([...SERVICE_NAMES].sort())
  })

  it('--processes gives each its own', () => {
    expect(names(planServices({ processes: true, instances: {} })).sort()).toEqual([...SERVICE_NAMES].sort())
  })

  it('--instances takes a service out of its group', () => {
    const plan = planServices({ processes: false, instances: { call: 2 } })
    expect(names(plan)).toEqual(expect.arrayContaining(['call-1', 'call-2']))
    expect(plan.filter(p => p.services.includes('call'))).toHaveLength(2)
    expect(names(planServices({ processes: false, instances: { flow: 1 } }))).toContain('flow')
  })
})

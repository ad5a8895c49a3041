import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { parseFlags } from './flags.ts'
import { ownProcesses } from './own-processes.ts'
import { pathsOf } from './paths.ts'
import { portsOf } from './ports.ts'
import { loadSecrets } from './secrets.ts'

test.each([
  { args: [], allowed: 'true' },
  { args: ['--public-ip', '203.0.113.5'], allowed: 'false' },
])('requests of customers may go to this machine itself with $args: $allowed', ({ args, allowed }) => {
  const home = mkdtempSync(path.join(tmpdir(), 'voipbin-own-'))
  try {
    const flags = parseFlags(args)
    const paths = pathsOf(home)
    const own = ownProcesses({ flags, paths, ports: portsOf(flags), secrets: loadSecrets(paths), user: '0:0', tcpRoot: false })
    const services = own.filter(({ name }) => name.startsWith('services'))
    expect(services.length).toBeGreaterThan(0)
    expect(new Set(services.map(({ env }) => env?.HTTP_ALLOW_PRIVATE))).toEqual(new Set([allowed]))
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})

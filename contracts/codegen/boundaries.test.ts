import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { checkBoundaries } from './boundaries.ts'

const root = mkdtempSync(path.join(os.tmpdir(), 'voipbin-boundaries-'))
afterAll(() => rmSync(root, { recursive: true }))

function house(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(root, 'house-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.join(folder, path.dirname(name)), { recursive: true })
    writeFileSync(path.join(folder, name), text)
  }
  return folder
}
const check = (file: string, text: string): string[] =>
  checkBoundaries(house({ [file]: text }), { fewestFiles: 1 }).map(violation => violation.message)

const planted: { when: string; file: string; text: string; want: RegExp }[] = [
  {
    when: 'a service imports another',
    file: 'services/call/a.ts',
    text: "import { x } from '../flow/b.ts'",
    want: /^imports \.\.\/flow\/b\.ts; service may import/,
  },
  { when: 'a service imports what tests share', file: 'services/call/a.ts', text: "import '../test-app.ts'", want: /service may import/ },
  { when: 'a service imports the gateway', file: 'services/call/a.ts', text: "import '@voipbin/gateway'", want: /service may import/ },
  {
    when: 'a service imports a driver',
    file: 'services/call/a.ts',
    text: "import mysql from 'mysql2/promise'",
    want: /^imports mysql2; the kernel is the way/,
  },
  { when: 'a service fetches', file: 'services/call/a.ts', text: "await fetch('http://x')", want: /^calls fetch/ },
  { when: 'a service sets a timer', file: 'services/call/a.ts', text: 'setTimeout(() => 1, 1)', want: /^calls setTimeout/ },
  { when: 'a service asks the clock', file: 'services/call/a.ts', text: 'Date.now()', want: /^calls Date\.now/ },
  { when: 'a service makes a date of now', file: 'services/call/a.ts', text: 'new Date()', want: /^calls new Date\(\)/ },
  { when: 'a service reads the environment', file: 'services/call/a.ts', text: 'process.env.X', want: /^reads process\.env/ },
  {
    when: 'the kernel imports generated code',
    file: 'server/kernel/src/a.ts',
    text: "import { x } from '@voipbin/generated/errors'",
    want: /kernel may import nothing/,
  },
  {
    when: 'the kernel imports a service by path',
    file: 'server/kernel/src/a.ts',
    text: "import { x } from '../../../services/call/a.ts'",
    want: /kernel may import nothing/,
  },
  {
    when: 'generated code takes a value from the kernel',
    file: 'generated/rpc/a.ts',
    text: "import { AppError } from '@voipbin/kernel'",
    want: /only types may cross/,
  },
  {
    when: 'the client part imports other generated code',
    file: 'generated/sdk/a.ts',
    text: "import type { x } from '../schemas.ts'",
    want: /generated\/sdk may import nothing/,
  },
  {
    when: 'the gateway imports a service',
    file: 'server/gateway/src/a.ts',
    text: "export { x } from '../../../services/call/a.ts'",
    want: /gateway may import/,
  },
  {
    when: 'a proxy imports a service',
    file: 'voip/proxies/asterisk/a.ts',
    text: "await import('../../../services/call/a.ts')",
    want: /proxy may import/,
  },
  { when: 'a proxy imports another', file: 'voip/proxies/asterisk/a.ts', text: "import '../kamailio/a.ts'", want: /proxy may import/ },
  {
    when: 'the SDK imports the server side',
    file: 'sdk/src/a.ts',
    text: "import type { x } from '../../generated/schemas.ts'",
    want: /sdk may import generated\/sdk/,
  },
  {
    when: 'the softphone imports the kernel',
    file: 'webrtc-client/src/a.ts',
    text: "import '@voipbin/kernel'",
    want: /webrtc-client may import sdk/,
  },
  { when: 'a journey reaches inside', file: 'e2e/a.ts', text: "import '@voipbin/generated/errors'", want: /e2e may import/ },
  {
    when: 'codegen imports ours',
    file: 'contracts/codegen/a.ts',
    text: "import '@voipbin/kernel'",
    want: /contracts\/codegen may import nothing/,
  },
  { when: 'a folder is new', file: 'misc/a.ts', text: '', want: /belongs to no layer/ },
]

const allowed: { when: string; file: string; text: string }[] = [
  { when: 'a service imports its own files', file: 'services/call/handlers/a.ts', text: "import { x } from '../rules.ts'" },
  {
    when: 'a service imports kernel and contract',
    file: 'services/call/a.ts',
    text: "import '@voipbin/kernel'\nimport '@voipbin/generated/rpc/call'",
  },
  {
    when: 'a test of a service opens a driver',
    file: 'services/call/a.test.ts',
    text: "import mysql from 'mysql2/promise'\nsetTimeout(() => 1, 1)",
  },
  { when: 'a test of a service starts it', file: 'services/call/call.int.test.ts', text: "import { testApp } from '../test-app.ts'" },
  { when: 'main imports the services', file: 'services/main.ts', text: "import call from './call/service.ts'" },
  { when: 'generated code takes kernel types', file: 'generated/rpc/a.ts', text: "import type { Contract } from '@voipbin/kernel'" },
  { when: 'a function has the name of a method of all objects', file: 'services/call/a.ts', text: 'valueOf(5)' },
  { when: 'a date of something', file: 'services/call/a.ts', text: 'new Date(5)' },
  { when: 'the SDK imports its part', file: 'sdk/src/a.ts', text: "import type { x } from '../../generated/sdk/types.ts'" },
]

describe('boundaries', () => {
  test.each(planted)('complain when $when', ({ file, text, want }) => {
    const messages = check(file, text)
    expect(messages).toHaveLength(1)
    expect(messages[0]).toMatch(want)
  })

  test.each(allowed)('are silent when $when', ({ file, text }) => expect(check(file, text)).toEqual([]))

  test('do not pass over an empty house', () => {
    const [violation] = checkBoundaries(house({ 'sdk/src/a.ts': '' }))
    expect(violation?.message).toMatch(/only 1 files were found/)
  })
})

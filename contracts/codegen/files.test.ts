import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { drift, foreignTables, lonelyServices, longFiles } from './check-files.ts'
import { write } from './write.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'voipbin-files-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function put(name: string, text: string): void {
  mkdirSync(path.join(root, path.dirname(name)), { recursive: true })
  writeFileSync(path.join(root, name), text)
}

describe('write and drift', () => {
  const files = [
    { path: 'a.ts', text: '1\n' },
    { path: 'rpc/b.ts', text: '2\n' },
  ]

  test('write what changed and delete what is left over, but nothing written by hand', () => {
    put('package.json', '{}')
    put('old/c.ts', '')
    put('a.ts', '1\n')
    expect(drift(files, root)).toEqual(['generated/rpc/b.ts is missing', 'generated/old/c.ts is left over', 'run npm run generate'])
    expect(write(files, root)).toEqual(['rpc/b.ts', 'old/c.ts'])
    expect(readFileSync(path.join(root, 'rpc/b.ts'), 'utf8')).toBe('2\n')
    expect(existsSync(path.join(root, 'package.json'))).toBe(true)
    expect(drift(files, root)).toEqual([])
    put('a.ts', 'edited\n')
    expect(drift(files, root)).toEqual(['generated/a.ts differs from what the contract gives', 'run npm run generate'])
  })
})

describe('files', () => {
  test('longer than 400 lines are named, tests and generated ones are not', () => {
    for (const name of ['sdk/src/a.ts', 'sdk/src/a.test.ts', 'server/gateway/test/fixture.ts', 'generated/a.ts'])
      put(name, 'x\n'.repeat(401))
    put('sdk/src/b.ts', 'x\n'.repeat(400))
    expect(longFiles(root)).toEqual(['sdk/src/a.ts: 401 lines; split it by subject at 400'])
  })

  test('tables begin with the name of their service', () => {
    put('services/call/schema.ts', "mysqlTable('call_calls', {}); mysqlTable('flow_flows', {})")
    put('services/registrar/schema.ts', "mysqlView('kam_subscriber')")
    expect(foreignTables(root)).toEqual(['services/call/schema.ts: table flow_flows does not begin with call_'])
  })

  test('every service has a contract', () => {
    put('services/call/service.ts', '')
    put('services/spare/service.ts', '')
    expect(lonelyServices(root, ['call'])).toEqual(['services/spare: contracts/ has no document for it'])
  })
})

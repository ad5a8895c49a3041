import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { commands } from '../../../generated/sdk/commands.ts'
import { everywhere, readArguments } from './arguments.ts'
import { builtIns, operations, resources } from './catalogue.ts'
import { exampleOf, operationHelp } from './help.ts'
import { flagsOf, readInput } from './input.ts'
import { world } from './io-fixture.ts'
import { operationFlags } from './operate.ts'

/** Command lines as a shell splits them. */
function split(lines: readonly string[]): string[][] {
  const script = `voipbin() { for word; do printf '%s\\037' "$word"; done; printf '\\036'; }\n${lines.join('\n')}`
  const { stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
  if (stderr) throw new Error(stderr)
  return stdout
    .split('\u001e')
    .slice(0, -1)
    .map(record => record.split('\u001f').slice(0, -1))
}

test('every operation of the client is a command', () => {
  expect(operations.length).toBe(Object.values(commands).reduce((sum, methods) => sum + Object.keys(methods).length, 0))
  expect(operations.length).toBeGreaterThan(100)
  expect(operations.filter(({ route }) => !/^(GET|POST|PUT|PATCH|DELETE) \//.test(route))).toEqual([])
  expect(Object.keys(builtIns).filter(name => resources.includes(name))).toEqual([])
})

test('no field has the name of a flag that every command has', () => {
  const own = new Set([...Object.keys(everywhere), 'data', 'all'])
  const taken = operations.flatMap(({ resource, verb, command }) =>
    Object.keys(flagsOf(command.fields))
      .filter(name => own.has(name))
      .map(name => `${resource} ${verb} --${name}`),
  )
  expect(taken).toEqual([])
})

describe('the example in the help is understood as the example of the contract:', () => {
  const lines = split(operations.map(exampleOf))
  test('there is one for every operation', () => expect(lines).toHaveLength(operations.length))
  test.each(operations.map((operation, i) => ({ name: `${operation.resource} ${operation.verb}`, operation, line: lines[i] ?? [] })))(
    '$name',
    async ({ operation, line }) => {
      const { command, resource, verb } = operation
      expect(operationHelp(operation)).toContain(exampleOf(operation))
      expect(line.slice(0, 2)).toEqual([resource, verb])
      const { positionals, values } = readArguments(line.slice(2), operationFlags(operation))
      expect(positionals).toEqual(command.path.map(([, example]) => example))
      const secrets = command.fields.filter(({ secret }) => secret)
      const wanted = command.body as Record<string, unknown> | undefined
      // Secrets are asked for, in the order of the flags.
      const asked = Object.keys(wanted ?? {}).filter(name => secrets.some(field => field.name === name))
      const { io } = world({ input: asked.map(name => String(wanted?.[name])).join('\n') })
      const input = await readInput(io, command, values)
      expect(input.body).toEqual(operation.hasBody ? wanted : undefined)
      expect(input.query).toEqual(command.query ?? {})
    },
  )
})

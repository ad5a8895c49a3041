import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { complete, completionScript } from './completion.ts'
import { didYouMean, distance } from './usage.ts'

test.each([
  { given: ['ca'], want: ['calls'] },
  { given: ['calls', 'un'], want: ['unhold', 'unmute'] },
  { given: ['calls', 'create', '--dial'], want: ['--dial_timeout'] },
  { given: ['calls', 'create', '--destinations.0.type', 'e'], want: ['extension'] },
  { given: ['webhooks', 'update', 'x', '--status', ''], want: ['enabled', 'disabled'] },
  { given: ['calls', 'list', '--output', 'j'], want: ['json', 'jsonl'] },
  { given: ['calls', 'create', '--flow_id', ''], want: [] },
  { given: ['completion', ''], want: ['bash', 'zsh', 'fish'] },
  { given: ['listen', '--f'], want: ['--forward'] },
  { given: ['events', 'r'], want: ['replay'] },
])('$given may become $want', ({ given, want }) => expect(complete(given)).toEqual(want))

test('bash completes by asking the command', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'voipbin-bash-'))
  try {
    const main = path.join(import.meta.dirname, 'main.ts')
    writeFileSync(path.join(folder, 'voipbin'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 })
    const script = `${completionScript('bash')}\nCOMP_WORDS=(voipbin calls start); COMP_CWORD=2; _voipbin; printf '%s\\n' "\${COMPREPLY[@]}"; complete -p voipbin`
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` }
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8', env })
    expect({ stdout, stderr }).toEqual({ stdout: 'start_recording\ncomplete -o default -F _voipbin voipbin\n', stderr: '' })
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 20_000)

test('the scripts of the other shells ask the same', () => {
  for (const shell of ['zsh', 'fish']) expect(completionScript(shell)).toContain('voipbin __complete')
})

test.each([
  { a: 'list', b: 'lits', want: 1 },
  { a: 'calls', b: 'cals', want: 1 },
  { a: '', b: 'abc', want: 3 },
  { a: 'kitten', b: 'sitting', want: 3 },
])('from $a to $b it is $want', ({ a, b, want }) => expect(distance(a, b)).toBe(want))

test('what is nothing like it is not meant', () => expect(didYouMean('xyzzy', ['calls', 'flows'])).toBe(''))

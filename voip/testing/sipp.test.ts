import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { render } from '../render.ts'
import { counters } from './sipp.ts'

test('the cumulative counters are read by name from the last line', () => {
  const csv = 'StartTime;SuccessfulCall(P);SuccessfulCall(C);FailedCall(P);FailedCall(C);\n1;0;0;0;0;\n2;1;3;0;1;\n'
  expect(counters(csv)).toEqual({ successful: 3, failed: 1 })
  expect(counters('')).toEqual({ successful: 0, failed: 0 })
})

test('a placeholder without a value is an error that names it and the file', () => {
  expect(render('a {{ONE}} {{TWO}}', { ONE: 1, TWO: 'x' })).toBe('a 1 x')
  expect(() => render('{{ONE}}', {}, 'local.cfg')).toThrow('local.cfg: no value for {{ONE}}')
})

const folder = join(import.meta.dirname, 'sipp')
test.each(readdirSync(folder))('%s is named as its file and has a Content-Length with every body', name => {
  const text = readFileSync(join(folder, name), 'utf8')
  expect(text).toContain(`<scenario name="${name.replace('.xml', '')}">`)
  for (const [, message = ''] of text.matchAll(/<!\[CDATA\[([\s\S]*?)\]\]>/g))
    expect(message).toMatch(/^(\{\{HEADERS\}\})?Content-Length: (\[len\]|0)$/m)
})

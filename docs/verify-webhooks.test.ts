import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AnyWebhook, sign } from '@voipbin/sdk/webhooks'
import { beforeAll, describe, expect, test } from 'vitest'
import { moduleName, type Sample, samples, writeModules } from './samples.ts'

const secret = `whsec_${Buffer.from('a secret for the samples of docs').toString('base64')}`
const another = `whsec_${Buffer.from('another one').toString('base64')}`
const event = { id: '01980a4e-5d00-7a11-8c3e-1f2a3b4c5d40', type: 'call_hungup', created: '2026-01-20T12:00:30.120Z', data: { id: 'ü' } }
const folder = join(import.meta.dirname, 'dist/verify')
const shown = samples().filter(({ page, marks }) => page === 'verify-webhooks.md' && marks.run === 'verify')

interface Delivery {
  body: string
  headers: Record<string, string>
}
/** What must be taken and what must be refused. */
let deliveries: { when: string; delivery: Delivery; want: boolean }[] = []
beforeAll(async () => {
  const webhook = event as unknown as AnyWebhook
  const lower = ({ body, headers }: Delivery): Delivery => ({
    body,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  })
  const good = lower(await sign(webhook, secret))
  deliveries = [
    { when: 'genuine', delivery: good, want: true },
    { when: 'during a rotation', delivery: lower(await sign(webhook, [another, secret])), want: true },
    { when: 'changed', delivery: { ...good, body: `${good.body} ` }, want: false },
    { when: 'old', delivery: lower(await sign(webhook, secret, new Date(Date.now() - 600_000))), want: false },
    { when: 'of somebody else', delivery: lower(await sign(webhook, another)), want: false },
    { when: 'without headers', delivery: { ...good, headers: {} }, want: false },
    {
      when: 'with a time that is none',
      delivery: { ...good, headers: { 'x-voipbin-signature': good.headers['x-voipbin-signature'] ?? '', 'x-voipbin-timestamp': 'soon' } },
      want: false,
    },
  ]
})

interface Language {
  command: readonly string[]
  file: string
  driver: { name: string; text: string }
}
/** Each reads `[{ body, headers }]` and the secret, and prints `[true, false…]`. */
const languages: Readonly<Record<string, Language>> = {
  python: {
    command: ['python3', 'driver.py'],
    file: 'verify.py',
    driver: {
      name: 'driver.py',
      text: `import json, sys
from verify import is_genuine
asked = json.load(sys.stdin)
print(json.dumps([is_genuine(one["body"].encode(), one["headers"], asked["secret"]) for one in asked["deliveries"]]))
`,
    },
  },
  php: {
    command: ['php', 'driver.php'],
    file: 'verify.php',
    driver: {
      name: 'driver.php',
      text: `<?php
require __DIR__ . '/verify.php';
$asked = json_decode(stream_get_contents(STDIN), true);
echo json_encode(array_map(fn ($one) => is_genuine($one['body'], $one['headers'], $asked['secret']), $asked['deliveries']));
`,
    },
  },
  go: {
    command: ['go', 'run', '.'],
    file: 'webhook/verify.go',
    driver: {
      name: 'main.go',
      text: `package main

import (
	"encoding/json"
	"net/http"
	"os"

	"sample/webhook"
)

func main() {
	var asked struct {
		Secret     string
		Deliveries []struct {
			Body    string
			Headers map[string]string
		}
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	said := []bool{}
	for _, one := range asked.Deliveries {
		header := http.Header{}
		for name, value := range one.Headers {
			header.Set(name, value)
		}
		said = append(said, webhook.IsGenuine([]byte(one.Body), header, asked.Secret))
	}
	_ = json.NewEncoder(os.Stdout).Encode(said)
}
`,
    },
  },
}

const isHere = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
const found = Object.keys(languages).filter(name => isHere(languages[name]?.command[0] ?? ''))

test('the page shows all four languages', () => {
  expect(shown.map(({ language }) => language).sort()).toEqual(['go', 'php', 'python', 'ts'])
})

describe('deliveries', () => {
  test('in TypeScript', async () => {
    const sample = shown.find(({ language }) => language === 'ts') as Sample
    writeModules(samples().filter(({ language, marks }) => language === 'ts' && !('excerpt' in marks)))
    process.env.VOIPBIN_WEBHOOK_SECRET = secret
    const { handler } = (await import(join(import.meta.dirname, 'dist/samples', moduleName(sample)))) as {
      handler(request: Request): Promise<Response>
    }
    const answers = deliveries.map(async ({ delivery: { body, headers } }) => {
      const { status } = await handler(new Request('http://localhost/', { method: 'POST', body, headers }))
      return status === 204
    })
    expect(await Promise.all(answers)).toEqual(deliveries.map(({ want }) => want))
  })

  // Those that this machine can run; Python is on every one that builds the platform.
  test.each(found.length > 0 ? found : ['python'])('in %s', { timeout: 60_000 }, name => {
    const language = languages[name] as Language
    const place = join(folder, name)
    rmSync(place, { recursive: true, force: true })
    mkdirSync(join(place, 'webhook'), { recursive: true })
    writeFileSync(join(place, language.file), shown.find(sample => sample.language === name)?.text ?? '')
    writeFileSync(join(place, language.driver.name), language.driver.text)
    writeFileSync(join(place, 'go.mod'), 'module sample\n\ngo 1.19\n')
    const [command = '', ...args] = language.command
    const input = JSON.stringify({ secret, deliveries: deliveries.map(({ delivery }) => delivery) })
    const { stdout, stderr, status } = spawnSync(command, args, {
      cwd: place,
      input,
      encoding: 'utf8',
      env: { ...process.env, GOFLAGS: '-mod=mod' },
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual(deliveries.map(({ want }) => want))
  })
})

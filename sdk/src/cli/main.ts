#!/usr/bin/env node
import { createRequire } from 'node:module'
import { processIo } from './io.ts'
import { run } from './run.ts'

const { version } = createRequire(import.meta.url)('@voipbin/sdk/package.json') as { version: string }
process.exitCode = await run(processIo(), process.argv.slice(2), version)

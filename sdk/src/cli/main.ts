#!/usr/bin/env node
import { createRequire } from 'node:module'
import { processIo } from './io.ts'
import { run } from './run.ts'

const { version } = createRequire(import.meta.url)('@voipbin/sdk/package.json') as { version: string }
const io = processIo()
process.exitCode = await run(io, process.argv.slice(2), version)
// A request that was given up may keep its connection, and that the process, for as long as the other side likes.
if (io.signal.aborted) process.exit()

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Paths, ROOT } from './paths.ts'
import type { Setup } from './setup.ts'

const IN_ROOT = path.join(ROOT, 'server/platform/in-root')

/** What the tts service runs speech engines with: in the servers' root filesystem, as their user, who can write nothing of ours. */
export const speechRunner = ({ paths }: Pick<Setup, 'paths'>): string => path.join(paths.run, 'speech')

export function writeSpeechRunner({ paths, user }: Setup): void {
  const instance = paths.server('speech')
  writeWrapper(
    paths,
    'speech',
    { in_root: IN_ROOT, rootfs: paths.rootfs, instance, user },
    'exec "$in_root" "$rootfs" "$instance" "$user" "$@"',
  )
}

/** A script that runs something inside one of the root filesystems: what takes one path of a program gets this one. */
export function writeWrapper(paths: Paths, name: string, variables: Readonly<Record<string, string>>, command: string): string {
  const file = path.join(paths.run, name)
  mkdirSync(paths.run, { recursive: true })
  const lines = Object.entries(variables).map(([variable, value]) => `${variable}='${value.replaceAll("'", "'\\''")}'`)
  writeFileSync(file, `#!/bin/sh\n${lines.join('\n')}\n${command}\n`, { mode: 0o755 })
  return file
}

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'
import type { HeaderMap } from './errors.ts'

export interface StaticFile {
  readonly body: string | Uint8Array<ArrayBuffer>
  readonly type: string
  readonly etag: string
  /** Files with a hash in their name never change. */
  readonly immutable: boolean
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.wav': 'audio/wav',
  '.mp3': 'audio/mpeg',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
}

export const staticFile = (body: string | Uint8Array<ArrayBuffer>, type: string, immutable = false): StaticFile => ({
  body,
  type,
  etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`,
  immutable,
})

/** Reads a folder into memory: URL path below the folder -> file. Nothing outside of it can ever be asked for. Empty when there is no folder. */
export function readFolder(folder: string): Map<string, StaticFile> {
  const files = new Map<string, StaticFile>()
  if (!existsSync(folder)) return files
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    const type = types[extname(file)]
    if (!type || !statSync(file).isFile()) continue
    const path = relative(folder, file).split(sep).join('/')
    files.set(path, staticFile(new Uint8Array(readFileSync(file)), type, /-[\w-]{8}\.\w+$/.test(path)))
  }
  return files
}

/** Answers with a file, or 304 when the client has it. */
export function sendFile(file: StaticFile, headers: HeaderMap, ifNoneMatch: string | undefined): Response {
  headers.etag = file.etag
  headers['cache-control'] = file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache'
  const known = ifNoneMatch?.split(',').map(tag => tag.trim().replace(/^W\//, ''))
  if (known?.includes(file.etag) || ifNoneMatch === '*') return new Response(null, { status: 304, headers })
  headers['content-type'] = file.type
  return new Response(file.body, { status: 200, headers })
}

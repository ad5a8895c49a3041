import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { extname, join, relative, sep } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { HeaderMap } from './errors.ts'
import { takesGzip } from './respond.ts'

export interface StaticFile {
  readonly body: string | Uint8Array<ArrayBuffer>
  /** Compressed once, when somebody first asks for it so. */
  gzipped?: Uint8Array<ArrayBuffer>
  readonly type: string
  /** Weak: the same for the compressed file. */
  readonly etag: string
  /** Files with a hash in their name never change. */
  readonly immutable: boolean
  /** Content-Security-Policy, for pages. */
  readonly csp?: string | undefined
}

/** Exact path -> file, or what makes it when it is asked for. */
export type Pages = ReadonlyMap<string, StaticFile | (() => StaticFile)>

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

export const staticFile = (
  body: string | Uint8Array<ArrayBuffer>,
  type: string,
  { immutable = false, csp }: { immutable?: boolean; csp?: string } = {},
): StaticFile => ({ body, type, etag: `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`, immutable, csp })

/** Reads a folder into memory: URL path below the folder -> file. Nothing outside of it can ever be asked for. Empty when there is no folder. */
export function readFolder(folder: string): Map<string, StaticFile> {
  const files = new Map<string, StaticFile>()
  if (!existsSync(folder)) return files
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    const type = types[extname(file)]
    if (!type || !statSync(file).isFile()) continue
    const path = relative(folder, file).split(sep).join('/')
    files.set(path, staticFile(new Uint8Array(readFileSync(file)), type, { immutable: /-[\w-]{8}\.\w+$/.test(path) }))
  }
  return files
}

/** Worth compressing: text of some length. */
const compressible = ({ body, type }: StaticFile): boolean => body.length >= 1_024 && /^(?:text\/|application\/|image\/svg)/.test(type)
const opaque = (tag: string): string => tag.trim().replace(/^W\//, '')

/** Answers with a file, or 304 when the client has it. */
export function sendFile(file: StaticFile, headers: HeaderMap, asked: IncomingHttpHeaders): Response {
  headers.etag = file.etag
  headers['cache-control'] = file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache'
  if (file.csp !== undefined) headers['content-security-policy'] = file.csp
  const compress = compressible(file)
  if (compress) headers.vary = headers.vary === undefined ? 'Accept-Encoding' : `${headers.vary}, Accept-Encoding`
  const known = asked['if-none-match']
  if (known === '*' || known?.split(',').some(tag => opaque(tag) === opaque(file.etag))) return new Response(null, { status: 304, headers })
  headers['content-type'] = file.type
  if (!compress || !takesGzip(asked['accept-encoding']?.toString())) return new Response(file.body, { status: 200, headers })
  file.gzipped ??= new Uint8Array(gzipSync(file.body))
  headers['content-encoding'] = 'gzip'
  return new Response(file.gzipped, { status: 200, headers })
}

import type { Model } from './model.ts'
import { schemasWithInternals } from './schema.ts'
import { doc, header, key, literal, type Output, quote } from './text.ts'
import { publicName, tsDeclaration } from './ts.ts'

/** `schemas.ts`: the internal view of every schema, and `<Name>Public` beside those of which the outside sees less. */
export function schemasFile(model: Model): Output {
  const options = { schemas: model.schemas, used: new Set<string>() }
  const outside = { ...options, publicViews: schemasWithInternals(model.schemas) }
  const parts = [...model.schemas].flatMap(([name, schema]) => [
    tsDeclaration(name, schema, options),
    ...(outside.publicViews.has(name) ? [tsDeclaration(publicName(name), schema, outside)] : []),
  ])
  return { path: 'schemas.ts', text: `${header}\n${parts.join('\n')}` }
}

/** `errors.ts`: the catalogue of reasons. */
export function errorsFile(model: Model): Output {
  const reasons = Object.entries(model.errors).sort(([a], [b]) => (a < b ? -1 : 1))
  const statuses = [...new Set(reasons.map(([, row]) => row.status))].sort()
  const rows = reasons.map(
    ([reason, row]) => `  ${key(reason)}: ${literal({ status: row.status, message: row.message, action: row.action })},\n`,
  )
  const text = [
    header,
    `export type ErrorStatus = ${statuses.map(quote).join(' | ')}\n`,
    doc('Every reason an answer may carry.'),
    `export type ErrorReason =\n${reasons.map(([reason]) => `  | ${quote(reason)}\n`).join('')}`,
    'export interface ErrorRow {\n  readonly status: ErrorStatus\n  readonly message: string\n  /** What the caller should do. */\n  readonly action: string\n}\n',
    `export const errors: Readonly<Record<ErrorReason, ErrorRow>> = {\n${rows.join('')}}\n`,
  ]
  return { path: 'errors.ts', text: text.join('\n') }
}

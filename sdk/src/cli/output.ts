import { type Io, styled } from './io.ts'
import { recordText, tableText } from './table.ts'
import { UsageError } from './usage.ts'

export const formats = ['table', 'json', 'jsonl'] as const
export type Format = (typeof formats)[number]

/** Tables for people, JSON for programs, unless `--output` says so. */
export function formatOf(io: Io, values: ReadonlyMap<string, string[]>): Format {
  const given = values.get('output')?.at(-1)
  if (given === undefined) return io.outIsTty ? 'table' : 'json'
  const format = formats.find(one => one === given)
  if (!format) throw new UsageError(`--output is one of ${formats.join(', ')}.`)
  return format
}

/** Shows one thing. */
export function printOne(io: Io, row: object, values: ReadonlyMap<string, string[]>): void {
  const format = formatOf(io, values)
  if (format === 'table') io.out(recordText(row as Record<string, unknown>, text => styled(io, io.outIsTty, 'bold', text)))
  else io.out(`${JSON.stringify(row, null, format === 'json' ? 2 : undefined)}\n`)
}

export interface Rows {
  result: object[]
  next_page_token: string
}

/** Shows a page, or all pages as one. */
export function printRows(io: Io, page: Rows, values: ReadonlyMap<string, string[]>): void {
  const format = formatOf(io, values)
  if (format === 'json') io.out(`${JSON.stringify(page, null, 2)}\n`)
  else if (format === 'jsonl') for (const row of page.result) io.out(`${JSON.stringify(row)}\n`)
  else if (page.result.length === 0) io.err('There are none.\n')
  else
    io.out(
      tableText(page.result as Record<string, unknown>[], { columns: io.columns, head: text => styled(io, io.outIsTty, 'bold', text) }),
    )
  if (format !== 'json' && page.next_page_token)
    io.err(`There are more: --all shows them, --page_token ${page.next_page_token} the next page.\n`)
}

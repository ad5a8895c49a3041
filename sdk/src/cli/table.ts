type Row = Readonly<Record<string, unknown>>

/** What a table shows first; after these come when it was made, the other plain fields as the contract orders them, other times and ids. */
const first = [
  'id',
  'name',
  'number',
  'extension',
  'username',
  'event_type',
  'type',
  'direction',
  'source',
  'destination',
  'status',
  'outcome',
]
/** What is the same in every row, or longer than a table is wide. */
const never = /^(customer_id|tm_update|tm_delete|detail|.*_body|.*_headers)$/
const gap = '  '

export interface TableOptions {
  /** Width of the terminal; columns that do not fit are left out. */
  columns: number
  head: (text: string) => string
}

/** Rows below their field names: as many columns as fit, the telling ones first, ids whole or not at all. */
export function tableText(rows: readonly Row[], { columns, head }: TableOptions): string {
  const names = columnsOf(rows)
  const cells = rows.map(row => names.map(name => cellText(row[name])))
  const widths = names.map((name, i) => Math.max(name.length, ...cells.map(row => widthOf(row[i] ?? ''))))
  const shown: number[] = []
  let used = 0
  for (const [i, width] of widths.entries()) {
    // One long text may be shortened, others would only be crowded out by it.
    const wanted = /(^|_)id$/.test(names[i] ?? '') ? width : Math.min(width, 32)
    if (shown.length > 0 && used + gap.length + wanted > columns) continue
    used += wanted + (shown.length > 0 ? gap.length : 0)
    widths[i] = wanted
    shown.push(i)
  }
  const line = (row: readonly string[]): string =>
    shown
      .map(i => fitted(row[i] ?? '', widths[i] ?? 0))
      .join(gap)
      .trimEnd()
  return [head(line(names.map(name => name.toUpperCase()))), ...cells.map(line)].map(text => `${text}\n`).join('')
}

function columnsOf(rows: readonly Row[]): string[] {
  const names = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const telling = names.filter(
    name => !never.test(name) && rows.every(row => isPlain(row[name])) && rows.some(row => cellText(row[name]) !== ''),
  )
  return telling.sort((a, b) => rank(a) - rank(b))
}

/** Times and ids of other things come last: they are long, and tell less. */
function rank(name: string): number {
  if (first.includes(name)) return first.indexOf(name)
  if (name === 'tm_create') return first.length
  if (name.endsWith('_id')) return first.length + 3
  return first.length + (name.startsWith('tm_') ? 2 : 1)
}

/** Lists of things and maps are for `get` and for JSON. */
const isPlain = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.every(isPlain)
  return value === null || typeof value !== 'object' || 'target' in value
}

/** One thing, a line for each field. */
export function recordText(row: Row, head: (text: string) => string): string {
  const names = Object.keys(row)
  const width = Math.max(0, ...names.map(name => name.length))
  const value = (one: unknown): string => (one !== null && typeof one === 'object' ? clean(JSON.stringify(one)) : cellText(one))
  return names.map(name => `${`${head(name.padEnd(width))}${gap}${value(row[name])}`.trimEnd()}\n`).join('')
}

/** A value on one line. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(cellText).join(', ')
  if (typeof value === 'object') {
    // An address: what people call it.
    const { target } = value as { target?: unknown }
    return typeof target === 'string' ? clean(target) : clean(JSON.stringify(value))
  }
  const text = String(value)
  const time = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/.exec(text)
  return time ? `${time[1]} ${time[2]}` : clean(text)
}

/** Names come from anybody: what a terminal would obey is not printed. */
export const clean = (text: string): string => text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]+/gu, ' ')

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const widthOf = (text: string): number => [...text].reduce((sum, letter) => sum + (wide.test(letter) ? 2 : 1), 0)

function fitted(text: string, width: number): string {
  const own = widthOf(text)
  if (own <= width) return text + ' '.repeat(width - own)
  let kept = ''
  for (const letter of text) {
    if (widthOf(kept + letter) > width - 1) break
    kept += letter
  }
  return `${kept}…${' '.repeat(width - 1 - widthOf(kept))}`
}

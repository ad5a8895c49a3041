import type { Wiring } from './wiring.ts'

/** One column of names, and what each is joined to in a column of groups. */
interface Panel {
  title: string
  note: string
  /** What the boxes and the groups are. */
  boxes: string
  groups: string
  /** Box, group, line of the group. */
  joins: readonly { box: string; group: string; line: string }[]
  /** The arrow leads from box to line, or the other way. */
  towards: 'line' | 'box'
}

const width = 920
const margin = 28
const boxWidth = 150
const groupLeft = 610
const groupWidth = width - margin - groupLeft
const lineHeight = 17
const headHeight = 26
const gap = 12
const boxLeast = 34
const boxGap = 14
const panelHead = 84

/** Hues, each with a shade for paper and one for a dark screen. */
const hues: readonly [string, string][] = [
  ['#2563eb', '#7aa8ff'],
  ['#c2410c', '#fb9a5f'],
  ['#0f766e', '#4fd1c0'],
  ['#9333ea', '#c89bff'],
  ['#b91c5c', '#ff8fb8'],
  ['#4d7c0f', '#a9d65c'],
  ['#0369a1', '#6cc7f5'],
  ['#a16207', '#e8c04f'],
  ['#475569', '#b6c2d4'],
  ['#15803d', '#5fdc8a'],
  ['#7c2d12', '#d9a48a'],
  ['#0e7490', '#5fd3e8'],
]

const style = [
  'svg{--paper:#ffffff;--ink:#1b1f27;--soft:#667085;--card:#f6f7f9;--edge:#d9dde3;font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI",sans-serif}',
  ...hues.map(([light], i) => `.h${i}{--hue:${light}}`),
  '@media (prefers-color-scheme:dark){svg{--paper:#12151b;--ink:#e8ebf1;--soft:#98a2b3;--card:#1b2029;--edge:#313846}',
  ...hues.map(([, dark], i) => `.h${i}{--hue:${dark}}`),
  '}',
  '.paper{fill:var(--paper)}.card{fill:var(--card);stroke:var(--edge)}.box{fill:var(--card);stroke:var(--hue);stroke-width:1.5}',
  '.join{fill:none;stroke:var(--hue);stroke-width:1.25;opacity:.75}.tip{fill:var(--hue)}',
  'text{fill:var(--ink)}.title{font-size:17px;font-weight:600}.soft{fill:var(--soft);font-size:12px}.name{font-size:13px;font-weight:600}',
  '.line{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:11.5px}',
].join('\n')

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const unique = (values: readonly string[]): string[] => [...new Set(values)]

/** Puts each name where its neighbours are: a few rounds of averages leave few crossings. */
function ordered(joins: Panel['joins']): { boxes: string[]; groups: string[] } {
  const weight = new Map<string, number>()
  for (const { group } of joins) weight.set(group, (weight.get(group) ?? 0) + 1)
  let boxes = unique(joins.map(join => join.box)).sort()
  let groups = unique(joins.map(join => join.group)).sort((a, b) => (weight.get(b) ?? 0) - (weight.get(a) ?? 0) || (a < b ? -1 : 1))
  const sorted = (names: readonly string[], neighbours: (name: string) => number[]): string[] => {
    const at = new Map(names.map(name => [name, average(neighbours(name))]))
    return names.toSorted((a, b) => (at.get(a) ?? 0) - (at.get(b) ?? 0) || (a < b ? -1 : 1))
  }
  for (let round = 0; round < 6; round++) {
    boxes = sorted(boxes, name => joins.filter(join => join.box === name).map(join => groups.indexOf(join.group) / groups.length))
    groups = sorted(groups, name => joins.filter(join => join.group === name).map(join => boxes.indexOf(join.box) / boxes.length))
  }
  return { boxes, groups }
}

/** Draws one panel with its top at `top`; gives its markup and where it ends. */
function panel(
  { title, note, boxes: boxesTitle, groups: groupsTitle, joins, towards }: Panel,
  top: number,
  hueOf: (name: string) => number,
): { markup: string[]; bottom: number } {
  const { boxes, groups } = ordered(joins)
  const markup = [
    `<text class="title" x="${margin}" y="${top + 24}">${escaped(title)}</text>`,
    `<text class="soft" x="${margin}" y="${top + 44}">${escaped(note)}</text>`,
  ]
  markup.push(
    `<text class="soft" x="${margin}" y="${top + 70}">${escaped(boxesTitle)}</text>`,
    `<text class="soft" x="${groupLeft}" y="${top + 70}">${escaped(groupsTitle)}</text>`,
  )
  const lineAt = new Map<string, number>()
  let y = top + panelHead
  const cards: string[] = []
  for (const group of groups) {
    const lines = unique(joins.filter(join => join.group === group).map(join => join.line)).sort()
    // Lines of one box stay together.
    const from = (line: string): number =>
      average(joins.filter(join => join.group === group && join.line === line).map(join => boxes.indexOf(join.box)))
    lines.sort((a, b) => from(a) - from(b) || (a < b ? -1 : 1))
    const height = headHeight + lines.length * lineHeight + 8
    cards.push(`<rect class="card" x="${groupLeft}" y="${y}" width="${groupWidth}" height="${height}" rx="8"/>`)
    cards.push(`<text class="name" x="${groupLeft + 14}" y="${y + 19}">${escaped(group)}</text>`)
    lines.forEach((line, i) => {
      const at = y + headHeight + i * lineHeight + 11
      lineAt.set(`${group} ${line}`, at - 4)
      cards.push(`<text class="line" x="${groupLeft + 14}" y="${at}">${escaped(line)}</text>`)
    })
    y += height + gap
  }
  const bottom = y - gap
  // A box with many lines is taller, so that they stay apart.
  const heights = boxes.map(box => Math.max(boxLeast, 6 * joins.filter(join => join.box === box).length))
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const step = Math.max(boxGap, (bottom - (top + panelHead) - sum(heights)) / Math.max(1, boxes.length))
  const tops = boxes.map((_, i) => Math.round(top + panelHead + step / 2 + sum(heights.slice(0, i)) + i * step))
  for (const [i, box] of boxes.entries()) {
    const mine = joins.filter(join => join.box === box)
    const [boxTop, boxHeight] = [tops[i] ?? 0, heights[i] ?? 0]
    const ys = mine.map(join => lineAt.get(`${join.group} ${join.line}`) ?? 0).toSorted((a, b) => a - b)
    markup.push(`<g class="h${hueOf(box)}">`)
    for (const [n, to] of ys.entries()) {
      const from = boxTop + (boxHeight * (n + 1)) / (ys.length + 1)
      const [left, right] = [margin + boxWidth, groupLeft]
      const middle = (left + right) / 2
      markup.push(
        `<path class="join" d="M${left} ${from.toFixed(1)}C${middle} ${from.toFixed(1)} ${middle} ${to} ${right - (towards === 'line' ? 5 : 0)} ${to}"/>`,
      )
      if (towards === 'line') markup.push(`<path class="tip" d="M${right} ${to}l-8-4v8z"/>`)
    }
    if (towards === 'box') markup.push(`<path class="tip" d="M${margin + boxWidth} ${boxTop + boxHeight / 2}l9-5v10z"/>`)
    markup.push(`<rect class="box" x="${margin}" y="${boxTop}" width="${boxWidth}" height="${boxHeight}" rx="8"/>`)
    markup.push(
      `<text class="name" x="${margin + boxWidth / 2}" y="${boxTop + boxHeight / 2 + 5}" text-anchor="middle">${escaped(box)}</text>`,
      '</g>',
    )
  }
  return { markup: [...markup, ...cards], bottom: Math.max(bottom, (tops.at(-1) ?? 0) + (heights.at(-1) ?? 0)) }
}

/** The picture of the wiring: an SVG that follows the reader's colour scheme. */
export function draw({ calls, events, publicOperations, publicEvents, deliverable }: Wiring): string {
  const names = unique([...calls.map(line => line.caller), ...events.map(line => line.listener)])
  const hueOf = (name: string): number => names.indexOf(name) % hues.length
  const first = panel(
    {
      title: 'Who asks whom: RPC over RabbitMQ',
      note: `Besides these, the gateway passes the ${publicOperations} public operations on to the services that own them.`,
      boxes: 'asks',
      groups: 'answers',
      joins: calls.map(({ caller, answerer, operation }) => ({ box: caller, group: answerer, line: operation })),
      towards: 'line',
    },
    12,
    hueOf,
  )
  const second = panel(
    {
      title: 'Who hears whom: events over RabbitMQ',
      note: `Besides these, every gateway hears all ${publicEvents} public events for its WebSockets, and webhook delivers ${deliverable} of them.`,
      boxes: 'hears',
      groups: 'sends',
      joins: events.map(({ sender, event, listener }) => ({ box: listener, group: sender, line: event })),
      towards: 'box',
    },
    first.bottom + 36,
    hueOf,
  )
  const height = second.bottom + margin
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="t">`,
    '<!-- @generated by docs/generate.ts from contracts/ and the sources -->',
    '<title id="t">Which part asks which operation of which other part, and which part hears which events</title>',
    `<style>${style}</style>`,
    `<rect class="paper" width="${width}" height="${height}" rx="12"/>`,
    ...first.markup,
    ...second.markup,
    '</svg>',
    '',
  ].join('\n')
}

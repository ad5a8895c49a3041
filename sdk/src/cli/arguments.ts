import { didYouMean, plain, UsageError } from './usage.ts'

/** What a flag is: `switch` stands alone, `value` is followed by something. */
export type FlagKind = 'switch' | 'value'
export type Flags = Readonly<Record<string, FlagKind>>

export interface Arguments {
  positionals: string[]
  /** Flag by the contract's name → what was given, in order. Switches are `true` or `false`. */
  values: Map<string, string[]>
}

/** Those of every command. */
export const everywhere: Flags = { help: 'switch', output: 'value', profile: 'value', base_url: 'value' }
const short: Record<string, string> = { h: 'help', o: 'output', d: 'data' }
/** What people of other commands are used to. */
const instead: Readonly<Record<string, string>> = { '--json': '--output=json', '--jsonl': '--output=jsonl' }

/** Splits a command line. Names are those of the contract; `--page-size` is `--page_size`, `--destinations.0.target` one of `destinations.*.target`. */
export function readArguments(words: readonly string[], known: Flags): Arguments {
  const flags: Flags = { ...everywhere, ...known }
  const byPlain = new Map(Object.keys(flags).map(name => [plain(name), name]))
  const found: Arguments = { positionals: [], values: new Map() }
  const rest = [...words]
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') {
      found.positionals.push(...rest)
      break
    }
    const match = /^(--?)([a-zA-Z][^=]*)(?:=([\s\S]*))?$/.exec(instead[word] ?? word)
    if (!match) {
      found.positionals.push(word)
      continue
    }
    const [, dashes, written = '', given] = match
    const { name, path, off } = lookUp(dashes === '-' ? (short[written] ?? `-${written}`) : written, byPlain, flags)
    const value = flags[name] === 'switch' ? switched(written, given, off) : (given ?? rest.shift())
    if (value === undefined) throw new UsageError(`--${written} needs a value.`)
    found.values.set(path, [...(found.values.get(path) ?? []), value])
  }
  return found
}

function lookUp(written: string, byPlain: ReadonlyMap<string, string>, flags: Flags): { name: string; path: string; off: boolean } {
  const find = (word: string): string | undefined => byPlain.get(plain(word.replace(/\.\d+(?=\.|$)/g, '.*')))
  const name = find(written)
  if (name !== undefined) return { name, path: numbered(name, written), off: false }
  const negated = /^no[-_]/.test(written) ? find(written.slice(3)) : undefined
  if (negated !== undefined && flags[negated] === 'switch') return { name: negated, path: negated, off: true }
  const word = written.replace(/\.\d+(?=\.|$)/g, '.*')
  throw new UsageError(`There is no flag --${written}.${didYouMean(word, Object.keys(flags), '--').replace('.*', '.0')}`)
}

/** The contract's name with the numbers of the items that were meant. */
function numbered(name: string, written: string): string {
  const numbers = [...written.matchAll(/\.(\d+)(?=\.|$)/g)].map(match => match[1] ?? '')
  return name.replaceAll('*', () => numbers.shift() ?? '')
}

function switched(written: string, given: string | undefined, off: boolean): string {
  if (given === undefined) return off ? 'false' : 'true'
  if (given !== 'true' && given !== 'false') throw new UsageError(`--${written} is true or false.`)
  return given
}

// RTPEngine's control protocol speaks bencode. Strings are kept as latin1 text.

export type Bencoded = string | number | Bencoded[] | { [key: string]: Bencoded }

/** Encodes a flat dictionary, keys in order as bencode wants them. */
export function encode(dictionary: Readonly<Record<string, string>>): string {
  const text = (value: string) => `${Buffer.byteLength(value)}:${value}`
  const pairs = Object.entries(dictionary).sort(([a], [b]) => (a < b ? -1 : 1))
  return `d${pairs.map(([key, value]) => text(key) + text(value)).join('')}e`
}

/** Throws on anything that is not bencode. */
export function decode(text: string): Bencoded {
  let at = 0
  const until = (end: string) => {
    const stop = text.indexOf(end, at)
    if (stop < 0) throw new Error(`bencode: no "${end}" after position ${at}`)
    const part = text.slice(at, stop)
    at = stop + 1
    return part
  }
  const value = (): Bencoded => {
    const kind = text[at]
    if (kind === 'i') {
      at += 1
      return Number(until('e'))
    }
    if (kind === 'l') {
      at += 1
      const list: Bencoded[] = []
      while (text[at] !== 'e') list.push(value())
      at += 1
      return list
    }
    if (kind === 'd') {
      at += 1
      const dictionary: { [key: string]: Bencoded } = {}
      while (text[at] !== 'e') dictionary[String(value())] = value()
      at += 1
      return dictionary
    }
    const length = Number(until(':'))
    if (!Number.isInteger(length)) throw new Error(`bencode: unexpected "${kind}" at position ${at}`)
    at += length
    return text.slice(at - length, at)
  }
  return value()
}

/** Walks into dictionaries and lists; undefined when the way ends. */
export function at(value: Bencoded | undefined, ...way: (string | number)[]): Bencoded | undefined {
  let here = value
  for (const step of way) {
    if (Array.isArray(here)) here = here[Number(step)]
    else if (typeof here === 'object') here = here[step]
    else return undefined
  }
  return here
}

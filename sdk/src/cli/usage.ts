/** The command line cannot be understood; nothing was done. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** ` Did you mean x?` for the candidate a misspelt word is closest to, or nothing. */
export function didYouMean(word: string, candidates: readonly string[], prefix = ''): string {
  const rated = candidates.map(candidate => ({ candidate, far: distance(plain(word), plain(candidate)) }))
  const nearest = rated.sort((a, b) => a.far - b.far)[0]
  const isNear = nearest && nearest.far <= Math.max(1, Math.floor(word.length / 3))
  const begins = word.length > 1 ? candidates.find(candidate => plain(candidate).startsWith(plain(word))) : undefined
  const meant = isNear ? nearest.candidate : begins
  return meant === undefined ? '' : ` Did you mean ${prefix}${meant}?`
}

/** The contract writes `storage_files`; dashes and capitals are as good. */
export const plain = (word: string): string => word.replace(/[-_]/g, '').toLowerCase()

/** `startRecording` → `start_recording` */
export const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

/** Letters to insert, remove, replace or swap with their neighbour. */
export function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          (row[j - 1] ?? 0) + 1,
          at(i - 1, j - 1) + (isSame ? 0 : 1),
          isSwap ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
  }
  return at(a.length, b.length)
}

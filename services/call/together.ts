type Settled<T extends readonly unknown[]> = { -readonly [K in keyof T]: Awaited<T[K]> }

/**
 * Waits for all of them, also when one fails: nothing goes on behind the back of whoever is told of the failure. Of several failures the first in the
 * order given is thrown, whichever came first.
 */
export async function together<const T extends readonly unknown[]>(work: T): Promise<Settled<T>> {
  const settled = await Promise.allSettled(work)
  const failed = settled.find(one => one.status === 'rejected')
  if (failed) throw failed.reason
  return settled.map(one => (one as PromiseFulfilledResult<unknown>).value) as Settled<T>
}

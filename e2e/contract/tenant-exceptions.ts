/** Places where an existing foreign id may answer otherwise than an unknown one. May only get shorter. */
export const exceptions: ReadonlySet<string> = new Set([])

/**
 * Resources of which a customer has no row without a live call, or that belong to the platform, so that these tests alone cannot name one.
 * The journeys that make calls check them. May only get shorter.
 */
export const unreachable: ReadonlySet<string> = new Set([
  'billing_rate',
  'groupcall',
  'provider',
  'recording',
  'route',
  'session',
  'storage_file',
])

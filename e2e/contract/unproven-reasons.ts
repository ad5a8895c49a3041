/** Reasons of the contract that no test produces yet. May only get shorter. */
export const unproven: ReadonlySet<string> = new Set([])

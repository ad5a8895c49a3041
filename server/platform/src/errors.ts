/** What a person can mend: the message says what is wrong and what to do; printed without a stack. */
export class PlatformError extends Error {}

/** What the library reports. Message texts are fixed, facts are fields, personal data sits under keys starting with `pii.`. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
}

const nothing = (): void => undefined

/** The default: the library writes nothing to the console. */
export const silent: Logger = { debug: nothing, info: nothing, warn: nothing }

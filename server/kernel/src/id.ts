import { v7 } from 'uuid'

/** A UUIDv7 (RFC 9562): sorts by time, also within one millisecond of one process. */
export const uuid7 = (): string => v7()

const uuidShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Lower-case hyphenated form only: the one spelling the platform writes. */
export const isUuid = (value: string): boolean => uuidShape.test(value)

/** The customer of who runs the installation: owner of its super admins, never deleted. The same everywhere, so that nobody has to look it up. */
export const operatorCustomerId = '00000000-0000-7000-8000-000000000001'

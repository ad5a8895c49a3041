import { systemTables } from '@voipbin/kernel'

/** For drizzle-kit only: the kernel's tables of the service that SERVICE names. */
export const { outbox, inbox, sequences, timers } = systemTables(process.env.SERVICE ?? '')

import type { Caller } from './context.ts'

/** A caller's own fields, whatever else the object carries. */
export function callerFields(from: Caller): Caller {
  const { customer_id, agent_id, actor, permissions, request_id, locale, deadline, address, user_agent } = from
  return { customer_id, agent_id, actor, permissions, request_id, locale, deadline, address, user_agent }
}

/** The platform acting by itself. */
export const systemCaller = (service: string, fields: Partial<Caller> & Pick<Caller, 'request_id' | 'deadline'>): Caller => ({
  customer_id: '',
  agent_id: null,
  actor: { type: 'system', id: service },
  permissions: [],
  locale: 'en',
  ...fields,
})

/** What a context and its transactions have in common: the fields of their caller. Written out: made for every request. */
export class CallerScope implements Caller {
  readonly customer_id: string
  readonly agent_id: Caller['agent_id']
  readonly actor: Caller['actor']
  readonly permissions: Caller['permissions']
  readonly request_id: string
  readonly locale: string
  readonly deadline: number
  readonly address: string | undefined
  readonly user_agent: string | undefined

  constructor(caller: Caller) {
    this.customer_id = caller.customer_id
    this.agent_id = caller.agent_id
    this.actor = caller.actor
    this.permissions = caller.permissions
    this.request_id = caller.request_id
    this.locale = caller.locale
    this.deadline = caller.deadline
    this.address = caller.address
    this.user_agent = caller.user_agent
  }
}

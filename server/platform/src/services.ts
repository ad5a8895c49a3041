/** Every service of the platform, in the groups that share a process by default: what a call waits for, and the rest. */
const GROUPS: readonly { name: string; services: readonly string[] }[] = [
  { name: 'services-call', services: ['call', 'flow', 'route', 'number', 'tts'] },
  { name: 'services-core', services: ['customer', 'agent', 'registrar', 'billing', 'storage', 'webhook'] },
]

export const SERVICE_NAMES: readonly string[] = GROUPS.flatMap(g => g.services)

/** The process a service shares with others by default. */
export const groupOf = (service: string): string | undefined => GROUPS.find(group => group.services.includes(service))?.name

/** How the services are spread over processes. */
interface Spread {
  /** One process per service instead of few. */
  processes: boolean
  /** How many of a service. One when not named. */
  instances: Readonly<Record<string, number>>
}

export interface ServiceProcess {
  name: string
  services: string[]
}

/** Which services run in which process. A service that `--instances` names gets processes of its own, also with `=1`. */
export function planServices({ processes, instances }: Spread): ServiceProcess[] {
  const alone = (service: string) => processes || instances[service] !== undefined
  const grouped = GROUPS.map(({ name, services }) => ({ name, services: services.filter(s => !alone(s)) })).filter(
    g => g.services.length > 0,
  )
  const single = SERVICE_NAMES.filter(alone).flatMap(service => {
    const count = instances[service] ?? 1
    return Array.from({ length: count }, (_, n) => ({ name: count === 1 ? service : `${service}-${n + 1}`, services: [service] }))
  })
  return [...grouped, ...single]
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Service } from '@voipbin/kernel'

/** Every service of the platform, by folder. */
export const serviceNames = [
  'call',
  'customer',
  'agent',
  'registrar',
  'number',
  'route',
  'billing',
  'flow',
  'storage',
  'tts',
  'webhook',
] as const
export type ServiceName = (typeof serviceNames)[number]

const isName = (text: string): text is ServiceName => (serviceNames as readonly string[]).includes(text)

/** What the command line asks for, each once; `all` is every service. Throws for none and for an unknown one, naming those there are. */
export function chosenServices(args: readonly string[]): ServiceName[] {
  const known = `known services: ${serviceNames.join(', ')}, or all`
  if (args.length === 0) throw new Error(`name the services to run; ${known}`)
  if (args.includes('all')) {
    const others = args.filter(arg => arg !== 'all' && !isName(arg))
    if (others.length > 0) throw new Error(`unknown service ${others.join(', ')}; ${known}`)
    return [...serviceNames]
  }
  const unknown = args.filter(arg => !isName(arg))
  if (unknown.length > 0) throw new Error(`unknown service ${unknown.join(', ')}; ${known}`)
  return [...new Set(args.filter(isName))]
}

/** Loads one service; a process carries only those it runs. Throws when its folder is not there. */
export async function loadService(name: ServiceName): Promise<Service> {
  const path = `./${name}/service.ts`
  // A missing file inside the service must show as itself, not as a missing service.
  if (!existsSync(join(import.meta.dirname, name, 'service.ts')))
    throw new Error(`the service ${name} is not there: services/${name}/service.ts is missing`)
  const { default: service } = (await import(path)) as { default: Service }
  return service
}

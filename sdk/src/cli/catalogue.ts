import { type Command, commands } from '../../../generated/sdk/commands.ts'
import { routes } from '../../../generated/sdk/resources.ts'
import type { Flags } from './arguments.ts'
import { didYouMean, plain, snake, UsageError } from './usage.ts'

/** One operation as the command names it, and where the client has it. */
export interface Operation {
  /** As in the contract: `storage_files`. */
  resource: string
  verb: string
  /** Names of the client: `storageFiles.getContent`. */
  client: readonly [resource: string, method: string]
  command: Command
  /** HTTP method and path. */
  route: string
  isList: boolean
  isBytes: boolean
  /** Needs no credentials. */
  isPublic: boolean
  hasQuery: boolean
  hasBody: boolean
}

const routeTable: Readonly<Record<string, Readonly<Record<string, string>>>> = routes

/** Every operation of the contract. */
export const operations: readonly Operation[] = Object.entries(commands).flatMap(([resource, methods]) =>
  Object.entries(methods as Readonly<Record<string, Command>>).map(([method, command]) => {
    const [verb = '', path = '', flags = ''] = (routeTable[resource]?.[method] ?? '').split(' ')
    const has = (flag: string): boolean => flags.includes(flag)
    return {
      resource: snake(resource),
      verb: snake(method),
      client: [resource, method] as const,
      command,
      route: `${verb} ${path}`,
      isList: has('l'),
      isBytes: has('r'),
      isPublic: has('p'),
      hasQuery: has('q'),
      hasBody: has('b'),
    }
  }),
)

export const resources: readonly string[] = [...new Set(operations.map(({ resource }) => resource))]

/** Commands that are no resource, with their flags beside those of every command. */
export const builtIns: Readonly<Record<string, { summary: string; flags: Flags }>> = {
  login: { summary: 'Signs in and keeps the credentials in a profile.', flags: { username: 'value', access_key: 'switch' } },
  logout: { summary: 'Ends the session and forgets the profile.', flags: {} },
  whoami: { summary: 'Tells whose credentials are used, and where.', flags: {} },
  listen: {
    summary: 'Shows events as they happen, and forwards them as signed webhooks.',
    flags: { topics: 'value', events: 'value', forward: 'value', secret: 'value' },
  },
  events: {
    summary: 'Sends events to webhook endpoints again: `voipbin events replay`.',
    flags: { endpoint: 'value', from: 'value', to: 'value', events: 'value', status: 'value', wait: 'switch' },
  },
  completion: { summary: 'Prints what teaches a shell to complete commands.', flags: {} },
}

export const commandNames: readonly string[] = [...Object.keys(builtIns), ...resources]

/** The resource that is meant, by the contract's name. Throws UsageError with the nearest one. */
export function resourceNamed(word: string): string {
  const found = resources.find(name => plain(name) === plain(word))
  if (!found) throw new UsageError(`There is no command or resource '${word}'.${didYouMean(word, commandNames)}`)
  return found
}

export function operationNamed(resource: string, word: string): Operation {
  const own = operations.filter(one => one.resource === resource)
  const found = own.find(({ verb }) => plain(verb) === plain(word))
  const verbs = own.map(({ verb }) => verb)
  if (!found) throw new UsageError(`${resource} has no verb '${word}'.${didYouMean(word, verbs) || ` It has ${verbs.join(', ')}.`}`)
  return found
}

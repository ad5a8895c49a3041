import type { CommandField } from '../../../generated/sdk/commands.ts'
import { builtIns, type Operation, operations, resources } from './catalogue.ts'

const everywhere = `Flags of every command:
  --output table|json|jsonl   How results are shown. Tables on a terminal, else JSON. --json is --output json.
  --profile NAME              Which credentials; else VOIPBIN_PROFILE, else 'default'.
  --base_url URL              Where the platform is; else VOIPBIN_BASE_URL, else that of the profile.
  --help                      More about a command.
`

export const mainHelp = (): string => `The command of the VoIPBIN platform.

  voipbin <resource> <verb> [id] [--field value …]
  voipbin <command>

Commands:
${table(Object.entries(builtIns).map(([name, { summary }]) => [name, summary]))}
Resources:
${table(resources.map(name => [name, verbsOf(name).join(', ')]))}
${everywhere}
VOIPBIN_ACCESS_KEY and VOIPBIN_BASE_URL win over the profile. Begin with: voipbin login
`

const verbsOf = (resource: string): string[] => operations.filter(one => one.resource === resource).map(({ verb }) => verb)

export function resourceHelp(resource: string): string {
  const own = operations.filter(one => one.resource === resource)
  const rows = own.map(({ verb, command }): [string, string] => [
    [verb, ...command.path.map(([name]) => `<${name}>`)].join(' '),
    command.summary,
  ])
  return `voipbin ${resource} <verb>\n\n${table(rows)}\nvoipbin ${resource} <verb> --help tells more.\n`
}

export function operationHelp(operation: Operation): string {
  const { resource, verb, command, route, hasBody, isList } = operation
  const usage = ['voipbin', resource, verb, ...command.path.map(([name]) => `<${name}>`), command.fields.length > 0 && '[flags]']
  const required = command.fields.filter(field => field.required)
  const others = command.fields.filter(field => !field.required)
  const more: [string, string][] = [
    ...(hasBody ? [['--data JSON|@FILE|-', 'The whole body; flags change it.'] as [string, string]] : []),
    ...(isList ? [['--all', 'Every page, not only the first.'] as [string, string]] : []),
  ]
  const parts = [
    command.summary,
    command.text && wrapped(command.text),
    `  ${usage.filter(Boolean).join(' ')}`,
    required.length > 0 && `Required:\n${table(required.map(flagRow))}`,
    others.length + more.length > 0 && `Flags:\n${table([...others.map(flagRow), ...more])}`,
    `Example:\n  ${exampleOf(operation)}\n`,
    `${route}${command.permission ? `, permission ${command.permission}` : ''}`,
  ]
  return `${parts.filter(Boolean).join('\n\n').replaceAll('\n\n\n', '\n\n')}\n`
}

const placeholders: Record<CommandField['type'], string> = { string: 'TEXT', integer: 'N', number: 'N', boolean: '', json: 'JSON' }

function flagRow(field: CommandField): [string, string] {
  const { name, type, values, list, nullable, secret, text = '' } = field
  const value = values ? (values.length > 6 ? 'ONE' : values.join('|')) : placeholders[type]
  const notes = [
    text,
    values && values.length > 6 && `One of ${values.join(', ')}.`,
    list && 'Again for each item, or a JSON list.',
    nullable && '`null` for none.',
    secret && '`-` reads it from the terminal or standard input.',
  ]
  return [`--${name.replaceAll('*', '0')}${value ? ` ${value}` : ''}`, notes.filter(Boolean).join(' ')]
}

/** The example of the contract as one would type it. */
export function exampleOf({ resource, verb, command }: Operation): string {
  const words = ['voipbin', resource, verb, ...command.path.map(([, example]) => quoted(example))]
  for (const [name, value] of Object.entries(command.query ?? {})) words.push(`--${name}`, quoted(String(value)))
  const isSecret = (name: string): boolean => command.fields.some(field => field.name === name && field.secret)
  for (const [name, value] of Object.entries((command.body ?? {}) as Record<string, unknown>))
    words.push(...flagWords(name, value, isSecret(name)))
  return words.join(' ')
}

function flagWords(name: string, value: unknown, isSecret: boolean): string[] {
  if (isSecret) return [`--${name}`, '-']
  if (value === true) return [`--${name}`]
  if (value === false) return [`--no_${name}`]
  if (value === null || typeof value !== 'object') return [`--${name}`, quoted(String(value))]
  if (Array.isArray(value) && value.length > 0 && value.every(item => typeof item === 'string'))
    return value.flatMap(item => [`--${name}`, quoted(item)])
  const parts = Object.entries(value)
  const isFlat = !Array.isArray(value) && parts.length > 0 && parts.every(([, part]) => typeof part === 'string')
  if (isFlat && name !== 'variables') return parts.flatMap(([part, text]) => [`--${name}.${part}`, quoted(String(text))])
  return [`--${name}`, quoted(JSON.stringify(value))]
}

/** As a shell takes it. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

/** Lines of a width that reads well. */
const wrapped = (text: string): string => text.replace(/(?=.{101})(.{1,100}) /g, '$1\n')

export function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(34, Math.max(0, ...rows.map(([name]) => name.length)))
  return rows.map(([name, text]) => (text ? `  ${name.padEnd(width)}  ${text}\n` : `  ${name}\n`)).join('')
}

const builtInHelp: Record<string, string> = {
  login: `voipbin login [--username NAME] [--access_key] [--base_url URL] [--profile NAME]

Asks for user name and password, or with --access_key for an access key, tries them, and keeps the session or the key in a file that only you can
read. Without a terminal the password or the key is read from standard input; VOIPBIN_ACCESS_KEY is taken as the key. A session lives on while it
is used and ends after an hour without; an access key stays.

Examples:
  voipbin login --base_url http://localhost:8080
  voipbin login --access_key < key.txt
`,
  logout: `voipbin logout [--profile NAME]

Ends the session on the platform and forgets the profile. An access key stays valid.
`,
  whoami: `voipbin whoami

Tells where the platform is, which credentials are used, and whose they are.
`,
  listen: `voipbin listen [--events PATTERN …] [--topics TOPIC …] [--forward URL] [--secret -]

Shows events as they happen, until Ctrl-C. After a broken connection it brings what was missed, or says that something is missing.

  --events PATTERN  Only these: call.hungup, call.*, or *. Again for each, or with commas.
  --topics TOPIC    What to subscribe to: call, call:<id>, agent_id:<id>:call. Unless given, what --events needs.
  --forward URL     Sends each event there as the platform would: the same body, both signatures.
  --secret -        Signs with this secret, read from the terminal or standard input; else VOIPBIN_WEBHOOK_SECRET, else one that is
                    made up the first time, kept, and shown.

Examples:
  voipbin listen --events 'call.*'
  voipbin listen --forward http://localhost:3000/hook
  voipbin listen --output jsonl --topics call
`,
  events: `voipbin events replay <delivery id>
voipbin events replay --from TIME [--to TIME] [--endpoint ID] [--events PATTERN …] [--status failed|canceled|succeeded …]

Sends one delivery again, or every delivery of a time range, and shows how far it is until all are over. Ctrl-C stops looking, not the replay.

  --from, --to TIME  RFC 3339, or how long ago: 30m, 2h, 7d. --to is now unless given.
  --endpoint ID      The webhook endpoint; that of the customer unless given.
  --events PATTERN   Only these: call.hungup, call.*, or *.
  --status STATUS    How they had ended; failed unless given.
  --no_wait          Does not wait for the end.

Exit code 1 when some did not get through again.

Examples:
  voipbin events replay 01980a4e-5d00-7a11-8c3e-1f2a3b4c5d13
  voipbin events replay --from 2h --endpoint 01980a4e-5d00-7a11-8c3e-1f2a3b4c5d12
`,
  completion: `voipbin completion bash|zsh|fish

Examples:
  voipbin completion bash > ~/.local/share/bash-completion/completions/voipbin
  voipbin completion zsh > "\${fpath[1]}/_voipbin"
  voipbin completion fish > ~/.config/fish/completions/voipbin.fish
`,
}

export const helpOf = (name: string): string => `${builtIns[name]?.summary ?? ''}\n\n${builtInHelp[name] ?? ''}\n${everywhere}`

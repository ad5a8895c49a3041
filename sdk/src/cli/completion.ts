import { everywhere } from './arguments.ts'
import { builtIns, commandNames, type Operation, operations } from './catalogue.ts'
import { operationFlags } from './operate.ts'
import { formats } from './output.ts'
import { plain, UsageError } from './usage.ts'

const shells: Record<string, string> = {
  bash: `_voipbin() {
  local IFS=$'\\n'
  COMPREPLY=($(voipbin __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _voipbin voipbin
`,
  zsh: `#compdef voipbin
_voipbin() {
  local -a found
  found=(\${(f)"$(voipbin __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( $#found )); then compadd -- $found; else _files; fi
}
if [ "$funcstack[1]" = "_voipbin" ]; then _voipbin "$@"; else compdef _voipbin voipbin; fi
`,
  fish: `function __voipbin_complete
  set -l words (commandline -opc) (commandline -ct)
  voipbin __complete $words[2..-1] 2>/dev/null
end
complete -c voipbin -f -a '(__voipbin_complete)'
`,
}
const afterWord: Record<string, readonly string[]> = { completion: Object.keys(shells), events: ['replay'] }

/** What a shell runs to complete \`voipbin\`: it asks the command itself, so that it is never out of date. */
export function completionScript(shell: string | undefined): string {
  const script = shells[shell ?? '']
  if (!script) throw new UsageError('`voipbin completion` is followed by bash, zsh or fish.')
  return script
}

/** What the last word may become. */
export function complete(words: readonly string[]): string[] {
  const last = words.at(-1) ?? ''
  return candidates(words.slice(0, -1), last).filter(word => word.startsWith(last))
}

function candidates(before: readonly string[], last: string): string[] {
  const [first, second] = before
  if (first === undefined) return [...commandNames]
  const operation = operations.find(one => plain(one.resource) === plain(first) && plain(one.verb) === plain(second ?? ''))
  const previous = before.at(-1) ?? ''
  const values = previous.startsWith('--') ? valuesOf(operation, previous.slice(2)) : undefined
  if (values) return values
  if (operation) return flagWords(Object.keys(operationFlags(operation)), last)
  if (first in builtIns) {
    return last.startsWith('-')
      ? flagWords(Object.keys(builtIns[first]?.flags ?? {}), last)
      : [...(second === undefined ? (afterWord[first] ?? []) : [])]
  }
  return second === undefined ? operations.filter(one => plain(one.resource) === plain(first)).map(({ verb }) => verb) : []
}

/** The values that a flag may have; nothing when it stands alone or may have any. */
function valuesOf(operation: Operation | undefined, flag: string): string[] | undefined {
  if (flag === 'output') return [...formats]
  const field = operation?.command.fields.find(({ name }) => plain(name) === plain(flag.replace(/\.\d+(?=\.|$)/g, '.*')))
  return field?.values ? [...field.values] : undefined
}

const flagWords = (names: readonly string[], last: string): string[] =>
  last === '' ? [] : [...names, ...Object.keys(everywhere)].map(name => `--${name.replaceAll('*', '0')}`)

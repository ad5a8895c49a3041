export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

// RFC 6901: a step of a JSON pointer, and the name it stands for.
export const escapeStep = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')
export const unescapeStep = (step: string): string => step.replaceAll('~1', '/').replaceAll('~0', '~')

/** Follows a JSON pointer; undefined when there is nothing. */
export function lookup(root: Json | undefined, pointer: string): Json | undefined {
  let node: Json | undefined = root
  for (const step of pointer.split('/').slice(1)) {
    if (node === null || typeof node !== 'object' || Array.isArray(node)) return undefined
    node = node[unescapeStep(step)]
  }
  return node
}

import ts from 'typescript'
import { describeBounds } from './bounds.ts'
import { header, type Output } from './text.ts'

/** `sdk/types.ts`: what openapi-typescript makes of the public document. */
export async function sdkTypesFile(document: object): Promise<Output> {
  const { default: openapiTS, astToString } = await import('openapi-typescript')
  // Webhook payloads are generated from the events; a body property with a default stays optional for who sends it.
  const { webhooks: _, ...rest } = structuredClone(document) as Record<string, unknown>
  describeBounds(rest)
  forEditors(rest)
  const ast = await openapiTS(JSON.stringify(rest), { defaultNonNullable: false, alphabetize: true, silent: true })
  const text = astToString(ast.flatMap(withNames))
    .replace(/components\["schemas"\]\["(\w+)"\]/g, '$1')
    .replaceAll(/^( *)\/\*\*([\s\S]*?)\*\/\n/gm, (_, indent: string, text: string) => comment(text, indent))
  return { path: 'sdk/types.ts', text: `${header}\n${text}` }
}

/** The text of a comment without what only tools read: editors show the text, and hide its tags or show them as such. */
function comment(text: string, indent: string): string {
  const lines = text.split('\n').map(line => line.replace(/^ *\*? ?(?:@description )?/, '').trimEnd())
  const [first = '', ...more] = lines.filter(line => line !== '' && !/^(@enum|@constant|discriminator enum)\b/.test(line))
  if (more.length > 0) return [`${indent}/**`, ...[first, ...more].map(line => `${indent} * ${line}`), `${indent} */\n`].join('\n')
  return first && `${indent}/** ${first} */\n`
}

/** Leaves out what nobody sees: examples of bodies; and the format of what a description tells about. */
function forEditors(node: unknown): void {
  if (node === null || typeof node !== 'object') return
  const { content, description } = node as { content?: Record<string, { example?: unknown }>; description?: unknown }
  for (const media of Object.values(content ?? {})) delete media.example
  if (typeof description === 'string') delete (node as { format?: unknown }).format
  for (const child of Object.values(node)) forEditors(child)
}

/** Makes each schema a type of its own name: editors and error messages say `Call` then, in place of its thirty fields. */
function withNames(node: ts.Node): ts.Node[] {
  if (!ts.isInterfaceDeclaration(node) || node.name.text !== 'components') return [node]
  const schemas = node.members.find(({ name }) => name && ts.isIdentifier(name) && name.text === 'schemas')
  if (!schemas || !ts.isPropertySignature(schemas) || !schemas.type || !ts.isTypeLiteralNode(schemas.type)) return [node]
  const types: ts.Node[] = []
  const references = schemas.type.members.map(member => {
    if (!ts.isPropertySignature(member) || !ts.isIdentifier(member.name) || !member.type) throw new Error('a schema is no property')
    const { name, type } = member
    const exported = [ts.factory.createModifier(ts.SyntaxKind.ExportKeyword)]
    const alias = ts.factory.createTypeAliasDeclaration(exported, name, undefined, type)
    types.push(ts.setSyntheticLeadingComments(alias, ts.getSyntheticLeadingComments(member)))
    return ts.factory.createPropertySignature(undefined, name, undefined, ts.factory.createTypeReferenceNode(name))
  })
  const own = ts.factory.createPropertySignature(undefined, schemas.name, undefined, ts.factory.createTypeLiteralNode(references))
  const members = node.members.map(member => (member === schemas ? own : member))
  return [...types, ts.factory.createInterfaceDeclaration(node.modifiers, node.name, undefined, undefined, members)]
}

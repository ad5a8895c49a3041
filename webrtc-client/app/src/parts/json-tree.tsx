/** JSON as text with colours for keys and values; copied text stays valid JSON. */
export function JsonTree({ value }: { value: unknown }) {
  return (
    <pre class="json">
      <code>{paint(JSON.stringify(value, null, 2) ?? 'null')}</code>
    </pre>
  )
}

const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

function paint(text: string) {
  const parts = []
  let at = 0
  for (const match of text.matchAll(token)) {
    const [all, string, colon, word] = match
    parts.push(text.slice(at, match.index))
    const kind = string ? (colon ? 'key' : 'string') : word ? 'word' : 'number'
    parts.push(<span class={`json-${kind}`}>{string ?? all}</span>, colon ?? '')
    at = match.index + all.length
  }
  return [...parts, text.slice(at)]
}

import { describe, expect, test } from 'vitest'
import { parseTopic, type Topic, TopicIndex, topicName } from './topics.ts'

const a = '0198c1a2-0000-7000-8000-00000000000a'
const b = '0198c1a2-0000-7000-8000-00000000000b'
const topic = (text: string): Topic => {
  const parsed = parseTopic(text)
  if (!parsed) throw new Error(`not a topic: ${text}`)
  return parsed
}

test.each([
  { given: `customer_id:${a}:call`, want: `customer_id:${a}:call:*` },
  { given: `customer_id:${a}:call:*`, want: `customer_id:${a}:call:*` },
  { given: `customer_id:${a}:call:${b}`, want: `customer_id:${a}:call:${b}` },
  { given: `agent_id:${a}:queue_call`, want: `agent_id:${a}:queue_call:*` },
])('parseTopic($given) is $want', ({ given, want }) => expect(topicName(topic(given))).toBe(want))

test.each([
  '',
  'call',
  `customer_id:${a}`,
  `customer_id:${a}:`,
  `customer_id:${a}:*`,
  `customer_id:*:call`,
  `customer_id:${a}:call:x:y`,
  `customer_id:${a}:call:`,
  `team_id:${a}:call`,
  `customer_id:${a}:Call`,
  `customer_id:${a}:call:a b`,
  ` customer_id:${a}:call`,
])('parseTopic(%j) is refused', given => expect(parseTopic(given)).toBeUndefined())

describe('TopicIndex', () => {
  const collect = (index: TopicIndex<string>, scope: string, resource: string, row: string): string[] =>
    [...index.listeners([scope], resource, row)].sort()

  test('several scopes count each listener once', () => {
    const index = new TopicIndex<string>()
    index.add(topic(`customer_id:${a}:call`), 'both')
    index.add(topic(`agent_id:${b}:call:c1`), 'both')
    index.add(topic(`agent_id:${b}:call:c1`), 'agent')
    expect([...index.listeners([a, b], 'call', 'c1')].sort()).toEqual(['agent', 'both'])
    expect([...index.listeners([b], 'call', 'c2')]).toEqual([])
  })

  test('matches whole segments only, and each listener once', () => {
    const index = new TopicIndex<string>()
    index.add(topic(`customer_id:${a}:call`), 'all')
    index.add(topic(`customer_id:${a}:call:c1`), 'all')
    index.add(topic(`customer_id:${a}:call:c1`), 'one')
    index.add(topic(`customer_id:${a}:call_leg`), 'other resource')
    index.add(topic(`customer_id:${b}:call`), 'other customer')
    expect(collect(index, a, 'call', 'c1')).toEqual(['all', 'one'])
    expect(collect(index, a, 'call', 'c10')).toEqual(['all'])
    expect(collect(index, a, 'cal', 'c1')).toEqual([])
  })

  test('forgets a scope with its last listener', () => {
    const index = new TopicIndex<string>()
    index.add(topic(`customer_id:${a}:call`), 'x')
    index.delete(topic(`customer_id:${a}:call`), 'y')
    expect(index.has(a)).toBe(true)
    index.delete(topic(`customer_id:${a}:call:*`), 'x')
    expect(index.has(a)).toBe(false)
    index.delete(topic(`customer_id:${a}:call:*`), 'x')
  })
})

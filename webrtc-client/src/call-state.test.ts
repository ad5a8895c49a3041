import { expect, test } from 'vitest'
import { type CallState, canMove, isEstablished } from './call-state.ts'

const states: CallState[] = ['connecting', 'ringing', 'answering', 'active', 'held', 'ended']
const allowed = [
  'connecting→ringing',
  'connecting→active',
  'connecting→ended',
  'ringing→answering',
  'ringing→active',
  'ringing→ended',
  'answering→ringing',
  'answering→active',
  'answering→ended',
  'active→held',
  'active→ended',
  'held→active',
  'held→ended',
]

test('exactly these moves are allowed', () => {
  const found = states.flatMap(from => states.filter(to => canMove(from, to)).map(to => `${from}→${to}`))
  expect(found).toEqual(allowed)
})

test('every state but ended can end', () => expect(states.filter(state => !canMove(state, 'ended'))).toEqual(['ended']))

test('only active and held are established', () => expect(states.filter(isEstablished)).toEqual(['active', 'held']))

import { expect, test } from 'vitest'
import { addressOf, isAdmin, sameGrants, usernameKey } from './rules.ts'

test.each([
  { target: '+15551234567', type: 'tel' },
  { target: 'sip:a@b.example', type: 'sip' },
  { target: '01980a4e-5d00-7a11-8c3e-1f2a3b4c5d02', type: 'agent' },
  { target: '01980A4E-5D00-7A11-8C3E-1F2A3B4C5D02', type: 'agent' },
  { target: '1001', type: 'extension' },
])('addressOf($target) is of type $type', ({ target, type }) => {
  expect(addressOf({ target })).toEqual({ type, target, target_name: '', name: '', detail: '' })
})

test.each([
  { permissions: ['customer_admin'], admin: true },
  { permissions: ['call_read', 'project_super_admin'], admin: true },
  { permissions: ['customer_manager', 'agent_permission_update'], admin: false },
  { permissions: [], admin: false },
])('isAdmin($permissions) is $admin', ({ permissions, admin }) => expect(isAdmin(permissions)).toBe(admin))

test('grants are a set', () => {
  expect(sameGrants(['a', 'b'], ['b', 'a'])).toBe(true)
  expect(sameGrants(['a'], ['a', 'b'])).toBe(false)
})

test('a user name is the same in any case, and another with an accent', () => {
  expect(usernameKey('Jane@Acme.example')).toBe(usernameKey('jane@acme.example'))
  expect(usernameKey('josé')).not.toBe(usernameKey('jose'))
})

import { describe, expect, test } from 'vitest'
import { chosenServices, serviceNames } from './registry.ts'

describe('the services of a command line', () => {
  test.each([
    { args: ['call'], want: ['call'] },
    { args: ['agent', 'customer', 'agent'], want: ['agent', 'customer'] },
    { args: ['all'], want: [...serviceNames] },
    { args: ['all', 'call'], want: [...serviceNames] },
  ])('$args', ({ args, want }) => expect(chosenServices(args)).toEqual(want))
  test.each([
    { args: [], message: /name the services.*call, customer, agent/ },
    { args: ['queue'], message: /unknown service queue; known services: call, customer/ },
    { args: ['call', 'Agent', '../x'], message: /unknown service Agent, \.\.\/x;/ },
    { args: ['all', 'nope'], message: /unknown service nope/ },
  ])('$args is refused', ({ args, message }) => expect(() => chosenServices(args)).toThrow(message))
})

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { pages } from './generate.ts'
import { pageNames, readPage } from './samples.ts'
import { readWiring } from './wiring.ts'

const here = import.meta.dirname
/** Relative targets of the links and pictures of a page. */
const targets = (page: string): string[] =>
  [...readPage(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(match => (match[1] ?? '').replace(/#.*$/, ''))
    .filter(target => target !== '' && !/^\w+:/.test(target))

describe('what is generated is up to date; if not: node docs/generate.ts', () => {
  test.each(pages())('$path', ({ path, text }) => expect(readFileSync(join(here, path), 'utf8') === text).toBe(true))
})

test('the picture knows the calls everybody knows', () => {
  const { calls, events } = readWiring()
  const lines = calls.map(({ caller, answerer, operation }) => `${caller} → ${answerer}.${operation}`)
  expect(lines).toEqual(
    expect.arrayContaining(['flow → call.runCallAction', 'call → asterisk-proxy.createChannel', 'gateway → customer.findAccesskey']),
  )
  const heard = events.map(({ sender, event, listener }) => `${sender} ${event} → ${listener}`)
  expect(heard).toEqual(expect.arrayContaining(['call call.hungup → billing', 'route provider.created → kamailio-proxy']))
})

test.each(pageNames())('links of %s lead somewhere', page => {
  expect(targets(page).filter(target => !existsSync(join(here, dirname(page), target)))).toEqual([])
})

test('the index names every page', () => {
  const named = new Set(targets('README.md'))
  expect(pageNames().filter(page => !page.includes('/') && page !== 'README.md' && !named.has(page))).toEqual([])
})

test('the index of decisions has every one, in order, by its own title', () => {
  const rows = [...readPage('adr/README.md').matchAll(/^\|\s*(\d+)\s*\|\s*\[(.+)\]\((.+)\)\s*\|$/gm)].map(
    match => `${match[3]}: # ${match[1]}. ${match[2]}`,
  )
  const decisions = pageNames().filter(page => page.startsWith('adr/') && page !== 'adr/README.md')
  expect(rows).toEqual(decisions.map(page => `${page.slice(4)}: ${readPage(page).split('\n')[0]}`))
})

import { createHash } from 'node:crypto'
import type { RegistrarContext } from '@voipbin/generated/rpc/registrar'
import { openDb, uuid7 } from '@voipbin/kernel'
import { type TestDatabase, testContext, testDatabase, testPrefix, until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestApp, testApp } from '../test-app.ts'
import service from './service.ts'
import { watchContacts } from './watch.ts'

let edge: TestDatabase
let app: TestApp
const base = 'sip.test'
// The columns of Kamailio's own usrloc-create.sql, in a database with another collation than ours.
const location = `CREATE TABLE location (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, ruid VARCHAR(64) NOT NULL DEFAULT '', username VARCHAR(64) NOT NULL DEFAULT '', domain VARCHAR(64) DEFAULT NULL,
  contact VARCHAR(512) NOT NULL DEFAULT '', received VARCHAR(128) DEFAULT NULL, path VARCHAR(512) DEFAULT NULL, expires DATETIME NOT NULL DEFAULT '2030-05-28 21:32:15',
  user_agent VARCHAR(255) NOT NULL DEFAULT '', socket VARCHAR(64) DEFAULT NULL, server_id INT NOT NULL DEFAULT 0, connection_id INT NOT NULL DEFAULT 0, CONSTRAINT ruid_idx UNIQUE (ruid)) CHARSET latin1`
beforeAll(async () => {
  edge = await testDatabase()
  await edge.pool.promise().query(location)
  app = await testApp({ services: [service], env: { SIP_DOMAIN: base, EDGE_DATABASE: edge.name } })
})
afterAll(async () => {
  await app?.close()
  await edge?.drop()
})

const own = (customer_id: string) => ({ customer_id })
const password = 's3cret-desk-phone'
const create = (customer_id: string, extension = '1001', fields: object = {}) =>
  app.call('createExtension', { extension, password, ...fields } as never, own(customer_id))
type Extension = Awaited<ReturnType<typeof create>>

/** What the edge does when a phone registers. */
async function register({ extension, domain }: Pick<Extension, 'extension' | 'domain'>, { seconds = 300 } = {}) {
  const ruid = testPrefix('uloc')
  const expires = new Date(Date.now() + seconds * 1_000).toISOString().slice(0, 19).replace('T', ' ')
  const row = [
    ruid,
    extension,
    domain,
    `sip:${extension}@10.0.0.9:5060`,
    'sip:203.0.113.7:49152;transport=ws',
    '<sip:127.0.0.1:5070;lr>',
    'tls:192.0.2.1:443',
    'phone/1',
    expires,
  ]
  await edge.pool
    .promise()
    .query('INSERT INTO location (ruid, username, domain, contact, received, path, socket, user_agent, expires) VALUES (?)', [row])
  return ruid
}
const unregister = (ruid: string) => edge.pool.promise().query('DELETE FROM location WHERE ruid = ?', [ruid])
const phonesOf = async ({ extension, domain }: Pick<Extension, 'extension' | 'domain'>) => {
  const [rows] = await edge.pool.promise().query('SELECT ruid FROM location WHERE username = ? AND domain = ?', [extension, domain])
  return rows as unknown[]
}
const eventsOf = (id: string) => app.events.filter(event => event.resource_id === id)
const expectEvents = async (id: string, want: readonly string[]) => {
  await until(() => eventsOf(id).length >= want.length, { what: `${want} of ${id}` })
  expect(eventsOf(id).map(event => event.event_type)).toEqual(want)
}
const missing = { reason: 'EXTENSION_NOT_FOUND', status: 'NOT_FOUND' }
const subscribers = (domain: string) =>
  app.query<{ extension: string; ha1: string }>(
    "SELECT extension, ha1 FROM registrar_extensions WHERE domain = ? AND tm_delete = '9999-01-01 00:00:00.000000' ORDER BY extension",
    [domain],
  )

describe('extensions', () => {
  test('a new one is what the edge can check a digest against, and its password is nowhere', async () => {
    const customer_id = uuid7()
    const extension = await create(customer_id, '1001', { name: 'Desk' })
    const domain = `${customer_id}.registrar.${base}`
    expect(extension).toMatchObject({
      customer_id,
      extension: '1001',
      username: '1001',
      domain,
      name: 'Desk',
      registered: false,
      contacts: [],
      tm_delete: null,
    })
    const ha1 = createHash('md5').update(`1001:${domain}:${password}`).digest('hex')
    expect(await subscribers(domain)).toEqual([{ extension: '1001', ha1 }])
    await expectEvents(extension.id, ['extension.created'])
    const others = await Promise.all(
      ['registrar_inbox', 'registrar_outbox', 'kernel_audits'].map(table => app.query(`SELECT * FROM ${table}`)),
    )
    const dump = JSON.stringify([others, app.events, extension])
    expect(dump).not.toContain(ha1)
    expect(dump).not.toContain(password)
  })
  test('a name is taken within its customer, exactly as it is spelled', async () => {
    const customer_id = uuid7()
    const { id } = await create(customer_id, 'desk')
    await expect(create(customer_id, 'desk')).rejects.toMatchObject({ reason: 'EXTENSION_TAKEN', status: 'ALREADY_EXISTS' })
    await create(customer_id, 'Desk')
    await create(uuid7(), 'desk')
    await app.call('deleteExtension', { id }, own(customer_id))
    await create(customer_id, 'desk')
    expect(
      (await app.call('listExtensions', { page_size: 50, extension: 'Desk' }, own(customer_id))).result.map(row => row.extension),
    ).toEqual(['Desk'])
  })
  test('a new password is a new digest; name and detail leave it alone', async () => {
    const customer_id = uuid7()
    const { id, domain } = await create(customer_id)
    const [before] = await subscribers(domain)
    expect(await app.call('updateExtension', { id, name: 'New' }, own(customer_id))).toMatchObject({ name: 'New' })
    expect(await subscribers(domain)).toEqual([before])
    await app.call('updateExtension', { id, password: 'another one' }, own(customer_id))
    expect(await subscribers(domain)).toEqual([
      { extension: '1001', ha1: createHash('md5').update(`1001:${domain}:another one`).digest('hex') },
    ])
    await app.call('deleteExtension', { id }, own(customer_id))
    expect(await subscribers(domain)).toEqual([])
    await expectEvents(id, ['extension.created', 'extension.updated', 'extension.updated', 'extension.deleted'])
  })
  test('of a foreign customer is a missing one', async () => {
    const { id, extension } = await create(uuid7())
    const stranger = own(uuid7())
    await expect(app.call('getExtension', { id }, stranger)).rejects.toMatchObject(missing)
    await expect(app.call('updateExtension', { id, name: 'x' }, stranger)).rejects.toMatchObject(missing)
    await expect(app.call('deleteExtension', { id }, stranger)).rejects.toMatchObject(missing)
    await expect(app.call('listExtensionContacts', { extension }, stranger)).rejects.toMatchObject(missing)
    await expect(app.call('listExtensionContacts', { extension }, own(''))).rejects.toMatchObject(missing)
    expect((await app.call('listExtensions', { page_size: 50 }, stranger)).result).toEqual([])
  })
  test('are found by user and domain, without a customer', async () => {
    const { id, domain } = await create(uuid7(), 'Reception')
    expect(await app.call('findExtension', { extension: 'Reception', domain: domain.toUpperCase() })).toMatchObject({ id })
    await expect(app.call('findExtension', { extension: 'reception', domain })).rejects.toMatchObject(missing)
    await expect(app.call('findExtension', { extension: 'Reception', domain: 'x.test' })).rejects.toMatchObject(missing)
  })
})

describe('a phone', () => {
  test('is seen by every read at once', async () => {
    const customer_id = uuid7()
    const [here, away] = [await create(customer_id, '1001'), await create(customer_id, '1002')]
    await register(here)
    await register({ extension: '1002', domain: `${uuid7()}.registrar.${base}` })
    await register(away, { seconds: -5 })
    const contact = {
      uri: 'sip:1001@10.0.0.9:5060',
      user_agent: 'phone/1',
      source: '203.0.113.7:49152',
      transport: 'wss',
      tm_expire: expect.stringMatching(/\.000000Z$/),
    }
    expect(await app.call('getExtension', { id: here.id }, own(customer_id))).toMatchObject({ registered: true, contacts: [contact] })
    expect(await app.call('listExtensionContacts', { extension: '1001' }, own(customer_id))).toMatchObject({
      id: here.id,
      contacts: [contact],
    })
    expect(await app.call('listExtensionContacts', { extension: '1002' }, own(customer_id))).toMatchObject({
      registered: false,
      contacts: [],
    })
    expect((await app.call('listExtensions', { page_size: 50 }, own(customer_id))).result.map(row => row.registered)).toEqual([false, true])
    const filtered = async (registered: boolean) =>
      (await app.call('listExtensions', { page_size: 50, registered }, own(customer_id))).result.map(row => row.extension)
    expect(await filtered(true)).toEqual(['1001'])
    expect(await filtered(false)).toEqual(['1002'])
  })
  test('that comes, is refreshed and goes is told of once each', async () => {
    const extension = await create(uuid7())
    const first = await register(extension)
    await expectEvents(extension.id, ['extension.created', 'extension.registered'])
    expect(eventsOf(extension.id)[1]?.data).toMatchObject({ registered: true, contacts: [{ source: '203.0.113.7:49152' }] })
    expect(JSON.stringify(eventsOf(extension.id))).not.toMatch(/path|ha1/)
    await edge.pool.promise().query('UPDATE location SET expires = expires + INTERVAL 60 SECOND WHERE ruid = ?', [first])
    const second = await register(extension)
    await expectEvents(extension.id, ['extension.created', 'extension.registered', 'extension.registered'])
    await unregister(first)
    await expectEvents(extension.id, ['extension.created', 'extension.registered', 'extension.registered', 'extension.unregistered'])
    expect(eventsOf(extension.id).at(-1)?.data).toMatchObject({ registered: true })
    await unregister(second)
    await until(() => eventsOf(extension.id).length === 5)
    expect(eventsOf(extension.id).at(-1)).toMatchObject({ event_type: 'extension.unregistered', data: { registered: false, contacts: [] } })
  })
  test('that lets its registration run out is gone, though its row is still there', async () => {
    const extension = await create(uuid7())
    const ruid = await register(extension)
    await expectEvents(extension.id, ['extension.created', 'extension.registered'])
    await edge.pool.promise().query('UPDATE location SET expires = expires - INTERVAL 1 DAY WHERE ruid = ?', [ruid])
    await expectEvents(extension.id, ['extension.created', 'extension.registered', 'extension.unregistered'])
    expect(await phonesOf(extension)).toHaveLength(1)
  })
  test('of a deleted extension is forgotten at once and told of no more', async () => {
    const customer_id = uuid7()
    const [extension, other] = [await create(customer_id), await create(customer_id, '1002')]
    const ruid = await register(extension)
    await register(other)
    await expectEvents(extension.id, ['extension.created', 'extension.registered'])
    expect(await app.call('deleteExtension', { id: extension.id }, own(customer_id))).toMatchObject({ registered: false, contacts: [] })
    expect(await phonesOf(extension)).toEqual([])
    expect(await phonesOf(other)).toHaveLength(1)
    await until(async () => (await app.query('SELECT ruid FROM registrar_contacts WHERE ruid = ?', [ruid])).length === 0)
    await expectEvents(extension.id, ['extension.created', 'extension.registered', 'extension.deleted'])
  })
  test('must sign in again when the password changes, and only then', async () => {
    const customer_id = uuid7()
    const extension = await create(customer_id)
    await register(extension)
    await expectEvents(extension.id, ['extension.created', 'extension.registered'])
    for (const fields of [{ name: 'New' }, { password }])
      expect(await app.call('updateExtension', { id: extension.id, ...fields }, own(customer_id))).toMatchObject({ registered: true })
    const changed = await app.call('updateExtension', { id: extension.id, password: 'another one' }, own(customer_id))
    expect(changed).toMatchObject({ registered: false, contacts: [] })
    expect(await phonesOf(extension)).toEqual([])
    await until(() => eventsOf(extension.id).some(event => event.event_type === 'extension.unregistered'))
  })
  test('that signed in while its extension was being deleted is forgotten', async () => {
    const customer_id = uuid7()
    const extension = await create(customer_id)
    await app.call('deleteExtension', { id: extension.id }, own(customer_id))
    await register(extension)
    await until(async () => (await phonesOf(extension)).length === 0)
  })
})

test('a deleted customer takes its extensions along', async () => {
  const customer_id = uuid7()
  const extension = await create(customer_id)
  await register(extension)
  await app.publish('customer', { event_type: 'customer.deleted', customer_id, data: { id: customer_id, customer_id } })
  await until(() => eventsOf(extension.id).some(event => event.event_type === 'extension.deleted'))
  expect(await subscribers(extension.domain)).toEqual([])
  expect(await phonesOf(extension)).toEqual([])
})

test('a process that takes the job over tells nothing again', async () => {
  const extension = await create(uuid7())
  await register(extension)
  await expectEvents(extension.id, ['extension.created', 'extension.registered'])
  await using database = openDb({ url: app.address.mysql_url })
  const successor = testContext({ database, customer_id: '', config: { SIP_DOMAIN: base, EDGE_DATABASE: edge.name } })
  await watchContacts(successor as unknown as RegistrarContext)
  expect(successor.events.filter(({ data }) => (data as Extension).id === extension.id)).toEqual([])
})

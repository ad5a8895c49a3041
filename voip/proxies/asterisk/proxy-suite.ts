import type { ChildProcess } from 'node:child_process'
import { calls } from '@voipbin/generated/rpc/calls'
import {
  type Bus,
  type Contract,
  createClient,
  defineService,
  type Event,
  noCache,
  openBus,
  openHttp,
  type RpcClient,
  type Running,
  serve,
  silentLogger,
  systemCaller,
} from '@voipbin/kernel'
import { testPrefix, testUrl } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { level, parseWav, sine, toneLevel } from '../../testing/audio.ts'
import { type Cable, cable } from '../../testing/cable.ts'
import { addCarrier } from '../../testing/carrier.ts'
import { crash, end } from '../../testing/inroot.ts'
import { startAsteriskProxy, type Transport } from '../../testing/proxy.ts'
import { rtpPhone } from '../../testing/rtp.ts'
import { sipp } from '../../testing/sipp.ts'
import { type AsteriskInstance, type Stack, startStack } from '../../testing/stack.ts'
import { until } from '../../testing/wait.ts'

type Data = Record<string, unknown> & { channel_id?: string }
type Seen = Event<string, Data>

const types = [
  'channel_entered',
  'channel_state',
  'channel_dtmf',
  'channel_hangup',
  'channels_snapshot',
  'playback_finished',
  'recording_finished',
].map(name => `asterisk.${name}`)
const asterisk_id = 'asterisk-call-1'
const prefix = `${testPrefix('proxy')}.`
const seen: Seen[] = []
let stack: Stack
let asterisk: AsteriskInstance
let line: Cable
let proxy: ChildProcess
let bus: Bus
let listener: Running
let client: RpcClient
let carrier: number
let target: string
let transport: Transport

const ask = <T>(operation: string, input: object = {}) =>
  client.call(systemCaller('test', { request_id: operation, deadline: Date.now() + 60_000 }), operation, {
    asterisk_id,
    ...input,
  }) as Promise<T>
const of = (channel_id: string, type?: string) =>
  seen.filter(event => event.data.channel_id === channel_id && (type === undefined || event.event_type === `asterisk.${type}`))
const waitFor = (channel_id: string, type: string) => until(`${type} of ${channel_id}`, () => of(channel_id, type)[0])
const create = (channel_id: string, port: number, extra: object = {}) =>
  ask<{ id: string; state: string }>('createChannel', {
    channel_id,
    uri: `sip:+15550002222@127.0.0.1:${port}`,
    caller_number: '+15559990000',
    caller_name: 'Test',
    timeout: 20,
    ...extra,
  })
const startProxy = () => {
  const url = new URL(testUrl('AMQP_URL'))
  url.host = `127.0.0.1:${line.port}`
  return startAsteriskProxy(stack, asterisk, { url: url.href, prefix }, transport)
}

/** What the asterisk-proxy must do as a process between a real broker and a real Asterisk, whichever way it talks to that one. */
export function proxySuite(chosen: Transport): void {
  transport = chosen
  describe(`asterisk-proxy over ${chosen}`, () => {
    beforeAll(async () => {
      stack = await startStack()
      const [first] = stack.asterisks
      if (first === undefined) throw new Error('no asterisk')
      asterisk = first
      carrier = await addCarrier(stack, 'provider-1')
      target = `127.0.0.1:${stack.edges[0]?.outside.sip}`
      const broker = new URL(testUrl('AMQP_URL'))
      line = await cable(broker.hostname, Number(broker.port))
      bus = await openBus({ url: broker.href, log: silentLogger, prefix })
      const consume = async (_: unknown, event: Event) => void seen.push(event as Seen)
      const contract = {
        name: 'listener',
        methods: {},
        emits: {},
        consumes: Object.fromEntries(types.map(type => [type, 'asterisk.all'])),
        calls: {},
      } as Contract
      const service = defineService(contract, { handlers: {}, consumers: Object.fromEntries(types.map(type => [type, consume])) as never })
      listener = await serve([service], { bus, cache: noCache, http: openHttp({}), log: silentLogger, errors: {} })
      client = createClient({ bus, calls, log: silentLogger })
      await client.ready(30_000)
      proxy = await startProxy()
    })

    afterAll(async () => {
      await end(proxy)
      await client.close()
      await listener.close()
      const channel = await bus.consuming.open({}).ready(30_000)
      for (let shard = 0; shard < 16; shard++)
        for (const tail of ['', '.dlq']) await channel.deleteQueue(`${prefix}asterisk.all.event.${shard}${tail}`)
      for (const queue of [
        `${prefix}bin-manager.${asterisk_id}.request`,
        `${prefix}bin-manager.asterisk.${asterisk_id}.request`,
        `${prefix}bin-manager.listener.request`,
      ])
        await channel.deleteQueue(queue)
      await channel.deleteExchange(`${prefix}asterisk.all.event`)
      await bus.close()
      await line.close()
      await stack.stop()
    })

    test('a call out yields each of its states once and in order; the same id makes no second call', async () => {
      const phone = await rtpPhone()
      phone.echo()
      const callee = await sipp('uas-answer', { values: { RING_MS: 200, MEDIA_PORT: phone.port } })
      expect(await create('out-1', callee.port, { headers: { 'X-Test': 'value, with comma' } })).toMatchObject({
        id: 'out-1',
        state: 'down',
      })
      expect(await create('out-1', callee.port)).toMatchObject({ id: 'out-1' })
      await waitFor('out-1', 'channel_entered')
      expect(callee.log()).toContain('X-Test: value, with comma')
      expect(
        await ask('playChannel', { channel_id: 'out-1', playback_id: 'digits-1', media: ['sound:digits/1', 'tone:1000/100,0/50'] }),
      ).toMatchObject({ id: 'digits-1' })
      await ask('playChannel', { channel_id: 'out-1', playback_id: 'digits-1', media: ['sound:digits/1'] })
      await until('sound', () => level(phone.heard()) > -40)
      expect(await ask('stopPlayback', { playback_id: 'digits-1' })).toEqual({ done: true })
      await waitFor('out-1', 'playback_finished')
      expect(await ask('playChannel', { channel_id: 'out-1', playback_id: 'digits-1', media: ['sound:digits/1'] })).toEqual({
        id: 'digits-1',
        state: 'done',
      })
      expect(await ask('hangupChannel', { channel_id: 'out-1' })).toEqual({ done: true })
      await waitFor('out-1', 'channel_hangup')
      expect(await ask('hangupChannel', { channel_id: 'out-1' })).toEqual({ done: false })
      await expect(create('out-1', callee.port)).rejects.toMatchObject({ reason: 'CHANNEL_ENDED' })
      expect(of('out-1').map(event => [event.event_type, event.data.state])).toEqual([
        ['asterisk.channel_state', 'ringing'],
        ['asterisk.channel_state', 'up'],
        ['asterisk.channel_entered', undefined],
        ['asterisk.playback_finished', 'done'],
        ['asterisk.channel_hangup', undefined],
      ])
      expect(of('out-1', 'channel_hangup')[0]?.data).toMatchObject({
        cause: 16,
        answered: true,
        requested: true,
        synthetic: false,
        sip_code: null,
      })
      expect(of('out-1').map(event => event.resource_seq)).toEqual([1, 2, 3, 4, 5])
      expect(await callee.result).toMatchObject({ exit_code: 0 })
      phone.close()
    })

    test('a refused call ends with its SIP code, an answered one that the far end ends with normal clearing', async () => {
      const busy = await sipp('uas-reject', { values: { CODE: 503, REASON: 'Service Unavailable' } })
      await create('refused-1', busy.port)
      expect((await waitFor('refused-1', 'channel_hangup')).data).toMatchObject({
        cause: 34,
        sip_code: 503,
        answered: false,
        requested: false,
      })
      const callee = await sipp('uas-hangup', { values: { TALK_MS: 100 } })
      await create('ended-1', callee.port)
      expect((await waitFor('ended-1', 'channel_hangup')).data).toMatchObject({
        cause: 16,
        sip_code: null,
        answered: true,
        requested: false,
      })
      await busy.result
      await callee.result
    })

    test('an incoming call tells what the edge verified; its recording is read in parts', async () => {
      const phone = await rtpPhone()
      const call = await sipp('uac-wait-bye', {
        target,
        port: carrier,
        values: { URI: `sip:+15557654321@${target}`, MEDIA_PORT: phone.port },
      })
      const { data } = await until('the call', () =>
        seen.find(event => event.event_type === 'asterisk.channel_entered' && event.data.direction === 'inbound'),
      )
      expect(data).toMatchObject({
        source: 'carrier',
        provider_id: 'provider-1',
        customer_id: '',
        channel: { exten: '+15557654321', caller: { number: '+15550001111' } },
      })
      const channel_id = String(data.channel_id)
      await ask('answerChannel', { channel_id })
      phone.play(sine(440, 1000), await call.remoteMedia())
      expect(await ask('recordChannel', { channel_id, name: 'rec-1', max_duration: 1 })).toMatchObject({ name: 'rec-1' })
      expect(await ask('recordChannel', { channel_id, name: 'rec-1', max_duration: 1 })).toMatchObject({
        name: 'rec-1',
        state: 'recording',
      })
      await waitFor(channel_id, 'recording_finished')
      await expect(ask('recordChannel', { channel_id, name: 'rec-1' })).rejects.toMatchObject({ reason: 'RECORDING_EXISTS' })
      const parts: Buffer[] = []
      for (let offset = 0, eof = false; !eof; ) {
        const part = await ask<{ data: string; eof: boolean }>('readRecording', { name: 'rec-1', offset, length: 5000 })
        parts.push(Buffer.from(part.data, 'base64'))
        offset += 5000
        eof = part.eof
      }
      const wav = parseWav(Buffer.concat(parts))
      expect(wav.rate).toBe(8000)
      expect(toneLevel(wav.samples.subarray(2000, 6000), 440)).toBeGreaterThan(-20)
      expect(toneLevel(wav.samples.subarray(2000, 6000), 700)).toBeLessThan(-50)
      expect(await ask('deleteStoredRecording', { name: 'rec-1' })).toEqual({ done: true })
      await expect(ask('readRecording', { name: 'rec-1', offset: 0, length: 100 })).rejects.toMatchObject({
        reason: 'RECORDING_FILE_NOT_FOUND',
      })
      await ask('hangupChannel', { channel_id, cause: 16 })
      expect(await call.result).toMatchObject({ exit_code: 0 })
      phone.close()
    })

    test('what the broker misses for seconds arrives afterwards, in order and once', async () => {
      const phone = await rtpPhone()
      const call = await sipp('uac-wait-bye', {
        target,
        port: carrier,
        values: { URI: `sip:+15557654322@${target}`, MEDIA_PORT: phone.port },
      })
      const { data } = await until('the call', () =>
        seen.find(
          event => event.event_type === 'asterisk.channel_entered' && (event.data.channel as { exten: string }).exten === '+15557654322',
        ),
      )
      const channel_id = String(data.channel_id)
      await ask('answerChannel', { channel_id })
      phone.play(sine(440, 1000), await call.remoteMedia())
      await phone.dtmf('12')
      line.cut()
      await phone.dtmf('3456')
      line.mend()
      await phone.dtmf('789')
      await until('nine digits', () => of(channel_id, 'channel_dtmf').length >= 9)
      const ids = new Set<string>()
      const once = of(channel_id, 'channel_dtmf').filter(event => !ids.has(event.event_id) && ids.add(event.event_id))
      expect(once.map(event => event.data.digit).join('')).toBe('123456789')
      await until('requests again', () => ask('hangupChannel', { channel_id }))
      expect(await call.result).toMatchObject({ exit_code: 0 })
      phone.close()
    })

    test('a hangup while the proxy was dead shows in the next snapshot', async () => {
      const stays = await sipp('uas-answer', { values: { RING_MS: 10 } })
      const goes = await sipp('uas-hangup', { values: { TALK_MS: 1500 } })
      await create('stays-1', stays.port)
      await create('goes-1', goes.port)
      await waitFor('goes-1', 'channel_entered')
      await waitFor('stays-1', 'channel_entered')
      await end(proxy, 'SIGKILL')
      expect(await goes.result).toMatchObject({ exit_code: 0 })
      const before = seen.length
      proxy = await startProxy()
      const snapshots = await until('16 snapshots', () => {
        const found = seen.slice(before).filter(event => event.event_type === 'asterisk.channels_snapshot')
        return found.length === 16 && found
      })
      expect(snapshots.flatMap(event => event.data.channel_ids)).toEqual(['stays-1'])
      expect(snapshots[0]?.data.boot_id).toBe(of('stays-1', 'channel_entered')[0]?.data.boot_id)
      await ask('hangupChannel', { channel_id: 'stays-1' })
      expect((await waitFor('stays-1', 'channel_hangup')).data).toMatchObject({ answered: true, synthetic: false })
      await stays.result
    })

    test('calls that died with Asterisk are reported once, and another boot id follows', async () => {
      const callee = await sipp('uas-answer', { values: { RING_MS: 10 } })
      await create('dies-1', callee.port)
      const { boot_id } = (await waitFor('dies-1', 'channel_entered')).data
      await crash(asterisk.process)
      await until('refused requests', () =>
        ask('getAsterisk').then(
          () => false,
          error => error.reason === 'UNAVAILABLE',
        ),
      )
      await asterisk.start()
      expect((await waitFor('dies-1', 'channel_hangup')).data).toMatchObject({ cause: 41, synthetic: true, answered: true, sip_code: null })
      const info = await until('Asterisk again', () => ask<{ boot_id: string; connected: boolean }>('getAsterisk'))
      expect(info.connected).toBe(true)
      expect(info.boot_id).not.toBe(boot_id)
      expect(of('dies-1', 'channel_hangup')).toHaveLength(1)
      await callee.stop()
    })

    test('bad input names the field', async () => {
      const bad = ask('createChannel', { channel_id: 'bad-1', uri: 'sip:nobody' })
      await expect(bad).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT', details: [{ field: '/uri' }] })
      await expect(ask('answerChannel', { channel_id: 'nobody' })).rejects.toMatchObject({ reason: 'CHANNEL_NOT_FOUND' })
    })
  })
}

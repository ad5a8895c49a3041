import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dominantTone, sine } from '../../testing/audio.ts'
import { addCarrier, mediaSessions } from '../../testing/carrier.ts'
import { crash } from '../../testing/inroot.ts'
import { rtpPhone } from '../../testing/rtp.ts'
import { sipp } from '../../testing/sipp.ts'
import { type Stack, startStack } from '../../testing/stack.ts'
import { until } from '../../testing/wait.ts'
import { type AriEvent, ariRoutes } from './ari-types.ts'
import { AriError, AriUnavailable, type AsteriskPort, type PortOptions } from './port.ts'

/** One resource as Asterisk describes it, `/ari/api-docs/<resource>.json`. */
interface Description {
  apis: { path: string; operations: { nickname: string; httpMethod: string }[] }[]
}

/** What every transport to Asterisk must do, on a real one with real calls through the edge. */
export function portSuite(name: string, open: (options: PortOptions) => AsteriskPort): void {
  describe(`asterisk port: ${name}`, () => {
    let stack: Stack
    let port: AsteriskPort
    let carrier: number
    let target: string
    const events: AriEvent[] = []
    const connects: string[] = []
    const find = <T extends AriEvent['type']>(type: T, match: (event: Extract<AriEvent, { type: T }>) => boolean = () => true) =>
      until(`${type}`, () =>
        events.find(
          (event): event is Extract<AriEvent, { type: T }> => event.type === type && match(event as Extract<AriEvent, { type: T }>),
        ),
      )
    const uriOf = (local: number) => `PJSIP/edge1/sip:+15550002222@127.0.0.1:${local}`

    beforeAll(async () => {
      stack = await startStack()
      carrier = await addCarrier(stack, 'provider-1')
      target = `127.0.0.1:${stack.edges[0]?.outside.sip}`
      const asterisk = stack.asterisks[0]
      if (asterisk === undefined) throw new Error('no asterisk')
      port = open({ ...asterisk.ari, app: 'voipbin' })
      port.start({ connected: () => connects.push('up'), disconnected: () => connects.push('down'), event: event => events.push(event) })
      await until('the port', () => port.connected)
    })
    afterAll(async () => {
      await port.stop()
      await stack.stop()
    })

    test('an incoming call: who it is, answer, digits, sound, recording, hangup', async () => {
      const phone = await rtpPhone()
      const headers = 'X-VoIPBIN-Customer-ID: forged\nX-VoIPBIN-Source: extension\nX-VoIPBIN-Hops: 1\n'
      const values = {
        URI: `sip:+15557654321@${target}`,
        FROM: '<sip:+15550001111@carrier.test>',
        MEDIA_PORT: phone.port,
        HEADERS: headers,
      }
      const call = await sipp('uac-wait-bye', { target, port: carrier, values })
      const { channel, args } = await find('StasisStart')
      expect(args).toEqual(['inbound', 'carrier', 'provider-1', '', '', `sip:+15557654321@${target}`, ''])
      expect(channel).toMatchObject({ state: 'Ring', caller: { number: '+15550001111' }, dialplan: { exten: '+15557654321' } })
      const channelId = channel.id
      await port.request('channels.answer', { channelId })
      phone.play(sine(440, 1000), await call.remoteMedia())
      await phone.dtmf('12#')
      await until('three digits', () => events.filter(event => event.type === 'ChannelDtmfReceived').length === 3)
      expect(events.flatMap(event => (event.type === 'ChannelDtmfReceived' ? [event.digit] : []))).toEqual(['1', '2', '#'])
      await port.request('channels.record', { channelId, name: 'suite-1', format: 'wav', maxDurationSeconds: 1, ifExists: 'fail' })
      expect((await find('RecordingFinished')).recording).toMatchObject({ name: 'suite-1', state: 'done' })
      const before = phone.heard().length
      const playback = await port.request('channels.playWithId', { channelId, playbackId: 'tone-1', media: ['tone:1000/300,0/100'] })
      expect(playback).toEqual({
        id: 'tone-1',
        media_uri: 'tone:1000/300,0/100',
        target_uri: `channel:${channelId}`,
        language: 'en',
        state: expect.stringMatching(/^(queued|playing)$/),
      })
      await until('half a second of sound', () => phone.heard().length > before + 4000)
      expect(dominantTone(phone.heard().subarray(before, before + 2000)).hz).toBe(1000)
      await port.request('playbacks.stop', { playbackId: 'tone-1' })
      await find('PlaybackFinished', event => event.playback.id === 'tone-1')
      await port.request('channels.hangup', { channelId, reason_code: '16' })
      await find('ChannelDestroyed', event => event.channel.id === channelId)
      expect(await call.result).toMatchObject({ exit_code: 0, failed: 0 })
      phone.close()
      await until('no media left', async () => (await mediaSessions(stack)) === 0)
    })

    test.each([
      [486, 'Busy Here', 17],
      [503, 'Service Unavailable', 34],
      [404, 'Not Found', 1],
      [603, 'Decline', 21],
      [480, 'Temporarily Unavailable', 19],
    ])('a call that the far end refuses with %i %s', async (code, reason, cause) => {
      const callee = await sipp('uas-reject', { values: { CODE: code, REASON: reason } })
      await port.request('channels.originateWithId', {
        channelId: `refused-${code}`,
        endpoint: uriOf(callee.port),
        app: 'voipbin',
        appArgs: 'outbound',
        timeout: 10,
      })
      expect(await find('ChannelDestroyed', event => event.channel.id === `refused-${code}`)).toMatchObject({ cause, tech_cause: code })
      expect(await callee.result).toMatchObject({ exit_code: 0 })
    })

    test('a call out: rings, is answered, heard both ways, the same id makes no second call', async () => {
      const phone = await rtpPhone()
      phone.echo()
      const callee = await sipp('uas-answer', { values: { RING_MS: 200, MEDIA_PORT: phone.port } })
      const originate = {
        channelId: 'out-1',
        endpoint: uriOf(callee.port),
        app: 'voipbin',
        appArgs: 'outbound',
        callerId: '"A" <+15559990000>',
        timeout: 10,
      }
      await port.request('channels.originateWithId', originate)
      await expect(port.request('channels.originateWithId', originate)).rejects.toMatchObject({ name: 'AriError', status: 409 })
      await find('ChannelStateChange', event => event.channel.id === 'out-1' && event.channel.state === 'Ringing')
      expect((await find('StasisStart', event => event.channel.id === 'out-1')).args).toEqual(['outbound'])
      await port.request('channels.playWithId', { channelId: 'out-1', playbackId: 'tone-2', media: ['tone:600'] })
      await until('sound at the callee', () => phone.received >= 50)
      const statistics = await port.request('channels.rtpstatistics', { channelId: 'out-1' })
      expect(statistics.rxcount).toBeGreaterThan(40)
      expect(dominantTone(phone.heard()).hz).toBe(600)
      await port.request('channels.hangup', { channelId: 'out-1' })
      expect(await callee.result).toMatchObject({ exit_code: 0 })
      phone.close()
    })

    test('hold and mute reach the far end', async () => {
      const phone = await rtpPhone()
      const callee = await sipp('uas-reinvite', { values: { MEDIA_PORT: phone.port } })
      await port.request('channels.originateWithId', {
        channelId: 'hold-1',
        endpoint: uriOf(callee.port),
        app: 'voipbin',
        appArgs: 'outbound',
        timeout: 10,
      })
      await find('StasisStart', event => event.channel.id === 'hold-1')
      await port.request('channels.hold', { channelId: 'hold-1' })
      await port.request('channels.mute', { channelId: 'hold-1', direction: 'both' })
      await port.request('channels.unmute', { channelId: 'hold-1', direction: 'both' })
      await until('a re-INVITE', async () => callee.log().match(/^INVITE /gm)?.length === 2)
      await port.request('channels.unhold', { channelId: 'hold-1' })
      await until('the second re-INVITE', async () => callee.log().match(/^INVITE /gm)?.length === 3)
      expect(callee.log()).toMatch(/a=(sendonly|inactive)/)
      await port.request('channels.hangup', { channelId: 'hold-1' })
      expect(await callee.result).toMatchObject({ exit_code: 0 })
      phone.close()
    })

    test('two calls in a bridge hear each other, and the bridge is recorded', async () => {
      const [alice, bob] = [await rtpPhone(), await rtpPhone()]
      const calls = []
      for (const [id, phone] of [
        ['bridge-a', alice],
        ['bridge-b', bob],
      ] as const) {
        const callee = await sipp('uas-answer', { values: { RING_MS: 10, MEDIA_PORT: phone.port } })
        await port.request('channels.originateWithId', {
          channelId: id,
          endpoint: uriOf(callee.port),
          app: 'voipbin',
          appArgs: 'outbound',
          timeout: 10,
        })
        await find('StasisStart', event => event.channel.id === id)
        phone.play(sine(id === 'bridge-a' ? 700 : 1100, 1000), await callee.remoteMedia())
        calls.push(callee)
      }
      await port.request('bridges.createWithId', { bridgeId: 'bridge-1', type: 'mixing' })
      await port.request('bridges.addChannel', {
        bridgeId: 'bridge-1',
        channel: ['bridge-a', 'bridge-b'],
        inhibitConnectedLineUpdates: true,
      })
      await port.request('bridges.record', {
        bridgeId: 'bridge-1',
        name: 'suite-2',
        format: 'wav',
        maxDurationSeconds: 1,
        ifExists: 'fail',
      })
      await until('sound at both', () => alice.received > 60 && bob.received > 60)
      expect(dominantTone(alice.heard().subarray(-4000)).hz).toBe(1100)
      expect(dominantTone(bob.heard().subarray(-4000)).hz).toBe(700)
      await find('RecordingFinished', event => event.recording.name === 'suite-2')
      await port.request('bridges.destroy', { bridgeId: 'bridge-1' })
      for (const id of ['bridge-a', 'bridge-b']) await port.request('channels.hangup', { channelId: id })
      for (const call of calls) expect(await call.result).toMatchObject({ exit_code: 0 })
      alice.close()
      bob.close()
    })

    test('every operation is called, asked and found as Asterisk itself says', async () => {
      const { url, user, password } = stack.asterisks[0]?.ari ?? {}
      const headers = { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
      const described: Record<string, [string, string]> = {}
      for (const resource of new Set(Object.keys(ariRoutes).map(operation => operation.split('.')[0]))) {
        const { apis } = (await (await fetch(`${url}/ari/api-docs/${resource}.json`, { headers })).json()) as Description
        for (const { path, operations } of apis)
          for (const { nickname, httpMethod } of operations) described[`${resource}.${nickname}`] = [httpMethod, path.slice(1)]
      }
      for (const [operation, route] of Object.entries(ariRoutes)) expect([operation, described[operation]]).toEqual([operation, route])
    })

    test('what is not there is an AriError with its status', async () => {
      const missing = port.request('channels.get', { channelId: 'nobody' })
      await expect(missing).rejects.toBeInstanceOf(AriError)
      await expect(missing).rejects.toMatchObject({ status: 404 })
    })

    test('a connection may end in the middle of calls, again and again, and Asterisk takes the next', async () => {
      const { ari } = stack.asterisks[0] ?? {}
      if (ari === undefined) throw new Error('no asterisk')
      for (let round = 0; round < 20; round++) {
        const passing = open({ ...ari, app: 'passing' })
        await new Promise<void>(resolve => passing.start({ connected: resolve, disconnected: () => undefined, event: () => undefined }))
        const calls = Array.from({ length: 8 }, (_, n) => `passing-${round}-${n}`)
        for (const channelId of calls)
          await passing.request('channels.originateWithId', { channelId, endpoint: 'Local/selftest@from-edge', app: 'voipbin' })
        const ended = calls.map(channelId => port.request('channels.hangup', { channelId }))
        await passing.stop()
        await Promise.all(ended)
      }
    })

    test('wrong credentials: told once, never connected, and nothing breaks', async () => {
      const asterisk = stack.asterisks[0]
      if (asterisk === undefined) throw new Error('no asterisk')
      const told: string[] = []
      const stranger = open({ ...asterisk.ari, password: 'wrong', app: 'stranger' })
      stranger.start({ connected: () => told.push('up'), disconnected: reason => told.push(reason), event: () => told.push('event') })
      await until('the refusal', () => told.length > 0)
      expect(told).toEqual([expect.stringContaining('401')])
      await expect(stranger.request('asterisk.getInfo', {})).rejects.toBeInstanceOf(AriUnavailable)
      await stranger.stop()
      expect((await port.request('asterisk.getInfo', {})).config?.name).toBe('asterisk-call-1')
    })

    test('comes back after Asterisk was killed; requests meanwhile fail at once, and so does one under way', async () => {
      const asterisk = stack.asterisks[0]
      if (asterisk?.process.pid === undefined) throw new Error('no asterisk')
      const before = connects.length
      process.kill(-asterisk.process.pid, 'SIGSTOP')
      const underWay = port.request('asterisk.getInfo', {})
      const refused = expect(underWay).rejects.toBeInstanceOf(AriUnavailable)
      await crash(asterisk.process)
      await until('the loss', () => !port.connected)
      await refused
      await expect(port.request('asterisk.getInfo', {})).rejects.toBeInstanceOf(AriUnavailable)
      await asterisk.start()
      await until('the port again', () => port.connected)
      expect((await port.request('asterisk.getInfo', {})).config?.name).toBe('asterisk-call-1')
      expect(connects.slice(before)).toEqual(['down', 'up'])
      const types: string[] = events.map(event => event.type)
      expect(types, 'no second connection of the same application').not.toContain('ApplicationReplaced')
    })
  })
}

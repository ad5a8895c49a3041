/** The part of Asterisk's REST interface that the proxy uses, written from its documentation (22.10). */

export interface AriParty {
  name: string
  number: string
}
export interface AriChannel {
  id: string
  /** `PJSIP/edge1-00000001` */
  name: string
  /** `Down Rsrvd OffHook Dialing Ring Ringing Up Busy …` */
  state: string
  /** SIP Call-ID for PJSIP channels. */
  protocol_id?: string
  caller: AriParty
  connected: AriParty
  accountcode: string
  dialplan: { context: string; exten: string; priority: number; app_name: string; app_data: string }
  creationtime: string
  language: string
}
export interface AriBridge {
  id: string
  name: string
  technology: string
  bridge_type: string
  channels: string[]
}
export interface AriPlayback {
  id: string
  media_uri: string
  /** `channel:<id>` or `bridge:<id>` */
  target_uri: string
  state: 'queued' | 'playing' | 'continuing' | 'done' | 'failed' | 'canceled'
}
export interface AriLiveRecording {
  name: string
  format: string
  target_uri: string
  state: 'queued' | 'recording' | 'paused' | 'done' | 'failed' | 'canceled'
  /** Seconds. */
  duration?: number
  cause?: string
}
export interface AriInfo {
  build?: { date: string }
  system?: { version: string; entity_id: string }
  config?: { name: string; max_channels?: number }
  status?: { startup_time: string; last_reload_time: string }
}

interface Base<T extends string> {
  type: T
  /** `2026-01-31T12:00:00.123+0000` */
  timestamp: string
  application: string
  asterisk_id?: string
}
interface OfChannel<T extends string> extends Base<T> {
  channel: AriChannel
}
export type StasisStart = OfChannel<'StasisStart'> & { args: string[] }
export type StasisEnd = OfChannel<'StasisEnd'>
export type ChannelCreated = OfChannel<'ChannelCreated'>
export type ChannelStateChange = OfChannel<'ChannelStateChange'>
export type ChannelDtmfReceived = OfChannel<'ChannelDtmfReceived'> & { digit: string; duration_ms: number }
export type ChannelDestroyed = OfChannel<'ChannelDestroyed'> & { cause: number; cause_txt: string; tech_cause?: number }
export type ChannelHold = OfChannel<'ChannelHold'> & { musicclass?: string }
export type ChannelUnhold = OfChannel<'ChannelUnhold'>
export type ChannelEnteredBridge = OfChannel<'ChannelEnteredBridge'> & { bridge: AriBridge }
export type ChannelLeftBridge = OfChannel<'ChannelLeftBridge'> & { bridge: AriBridge }
export type PlaybackFinished = Base<'PlaybackFinished'> & { playback: AriPlayback }
export type RecordingFinished = Base<'RecordingFinished'> & { recording: AriLiveRecording }
export type RecordingFailed = Base<'RecordingFailed'> & { recording: AriLiveRecording }

/** Events the proxy acts on. Others arrive too and are passed over. */
export type AriEvent =
  | StasisStart
  | StasisEnd
  | ChannelCreated
  | ChannelStateChange
  | ChannelDtmfReceived
  | ChannelDestroyed
  | ChannelHold
  | ChannelUnhold
  | ChannelEnteredBridge
  | ChannelLeftBridge
  | PlaybackFinished
  | RecordingFinished
  | RecordingFailed

type OnChannel = { channelId: string }
type OnBridge = { bridgeId: string }
type RecordOptions = {
  name: string
  format: string
  maxDurationSeconds?: number
  maxSilenceSeconds?: number
  ifExists?: 'fail' | 'overwrite' | 'append'
  beep?: boolean
  terminateOn?: string
}

/** `<resource>.<operation>` as Asterisk's own documents (and `ari-client`) name them -> parameters and result. */
export interface AriOperations {
  'applications.filter': { params: { applicationName: string; filter: object }; result: unknown }
  'asterisk.getInfo': { params: object; result: AriInfo }
  'asterisk.getGlobalVar': { params: { variable: string }; result: { value: string } }
  'asterisk.setGlobalVar': { params: { variable: string; value: string }; result: undefined }
  'channels.list': { params: object; result: AriChannel[] }
  'channels.get': { params: OnChannel; result: AriChannel }
  'channels.originateWithId': {
    params: OnChannel & {
      endpoint: string
      app: string
      appArgs?: string
      callerId?: string
      timeout?: number
      variables?: Record<string, string>
    }
    result: AriChannel
  }
  'channels.hangup': { params: OnChannel & { reason_code?: string }; result: undefined }
  'channels.answer': { params: OnChannel; result: undefined }
  'channels.ring': { params: OnChannel; result: undefined }
  'channels.hold': { params: OnChannel; result: undefined }
  'channels.unhold': { params: OnChannel; result: undefined }
  'channels.mute': { params: OnChannel & { direction: 'both' | 'in' | 'out' }; result: undefined }
  'channels.unmute': { params: OnChannel & { direction: 'both' | 'in' | 'out' }; result: undefined }
  'channels.sendDTMF': { params: OnChannel & { dtmf: string; between?: number; duration?: number }; result: undefined }
  'channels.setChannelVar': { params: OnChannel & { variable: string; value: string }; result: undefined }
  'channels.getChannelVar': { params: OnChannel & { variable: string }; result: { value: string } }
  'channels.playWithId': { params: OnChannel & { playbackId: string; media: string[] }; result: AriPlayback }
  'channels.record': { params: OnChannel & RecordOptions; result: AriLiveRecording }
  'channels.snoopChannelWithId': {
    params: OnChannel & { snoopId: string; spy: 'in' | 'out' | 'both'; app: string; appArgs?: string }
    result: AriChannel
  }
  'channels.rtpstatistics': { params: OnChannel; result: { rxcount: number; txcount: number; rxploss: number; txploss: number } }
  'endpoints.get': { params: { tech: string; resource: string }; result: { state?: 'unknown' | 'offline' | 'online' } }
  'playbacks.get': { params: { playbackId: string }; result: AriPlayback }
  'playbacks.stop': { params: { playbackId: string }; result: undefined }
  'recordings.getLive': { params: { recordingName: string }; result: AriLiveRecording }
  'recordings.stop': { params: { recordingName: string }; result: undefined }
  'recordings.getStored': { params: { recordingName: string }; result: { name: string; format: string } }
  'recordings.deleteStored': { params: { recordingName: string }; result: undefined }
  'bridges.createWithId': { params: OnBridge & { type: string; name?: string }; result: AriBridge }
  'bridges.get': { params: OnBridge; result: AriBridge }
  'bridges.destroy': { params: OnBridge; result: undefined }
  'bridges.addChannel': {
    params: OnBridge & { channel: string[]; role?: string; absorbDTMF?: boolean; mute?: boolean; inhibitConnectedLineUpdates?: boolean }
    result: undefined
  }
  'bridges.removeChannel': { params: OnBridge & { channel: string[] }; result: undefined }
  'bridges.playWithId': { params: OnBridge & { playbackId: string; media: string[] }; result: AriPlayback }
  'bridges.record': { params: OnBridge & RecordOptions; result: AriLiveRecording }
}
export type AriOperation = keyof AriOperations

/** How each operation is asked over HTTP or the WebSocket. Path parameters in braces, the rest goes into the query. */
export const ariRoutes: Readonly<Record<AriOperation, readonly [method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string]>> = {
  'applications.filter': ['PUT', 'applications/{applicationName}/eventFilter'],
  'asterisk.getInfo': ['GET', 'asterisk/info'],
  'asterisk.getGlobalVar': ['GET', 'asterisk/variable'],
  'asterisk.setGlobalVar': ['POST', 'asterisk/variable'],
  'channels.list': ['GET', 'channels'],
  'channels.get': ['GET', 'channels/{channelId}'],
  'channels.originateWithId': ['POST', 'channels/{channelId}'],
  'channels.hangup': ['DELETE', 'channels/{channelId}'],
  'channels.answer': ['POST', 'channels/{channelId}/answer'],
  'channels.ring': ['POST', 'channels/{channelId}/ring'],
  'channels.hold': ['POST', 'channels/{channelId}/hold'],
  'channels.unhold': ['DELETE', 'channels/{channelId}/hold'],
  'channels.mute': ['POST', 'channels/{channelId}/mute'],
  'channels.unmute': ['DELETE', 'channels/{channelId}/mute'],
  'channels.sendDTMF': ['POST', 'channels/{channelId}/dtmf'],
  'channels.setChannelVar': ['POST', 'channels/{channelId}/variable'],
  'channels.getChannelVar': ['GET', 'channels/{channelId}/variable'],
  'channels.playWithId': ['POST', 'channels/{channelId}/play/{playbackId}'],
  'channels.record': ['POST', 'channels/{channelId}/record'],
  'channels.snoopChannelWithId': ['POST', 'channels/{channelId}/snoop/{snoopId}'],
  'channels.rtpstatistics': ['GET', 'channels/{channelId}/rtp_statistics'],
  'endpoints.get': ['GET', 'endpoints/{tech}/{resource}'],
  'playbacks.get': ['GET', 'playbacks/{playbackId}'],
  'playbacks.stop': ['DELETE', 'playbacks/{playbackId}'],
  'recordings.getLive': ['GET', 'recordings/live/{recordingName}'],
  'recordings.stop': ['POST', 'recordings/live/{recordingName}/stop'],
  'recordings.getStored': ['GET', 'recordings/stored/{recordingName}'],
  'recordings.deleteStored': ['DELETE', 'recordings/stored/{recordingName}'],
  'bridges.createWithId': ['POST', 'bridges/{bridgeId}'],
  'bridges.get': ['GET', 'bridges/{bridgeId}'],
  'bridges.destroy': ['DELETE', 'bridges/{bridgeId}'],
  'bridges.addChannel': ['POST', 'bridges/{bridgeId}/addChannel'],
  'bridges.removeChannel': ['POST', 'bridges/{bridgeId}/removeChannel'],
  'bridges.playWithId': ['POST', 'bridges/{bridgeId}/play/{playbackId}'],
  'bridges.record': ['POST', 'bridges/{bridgeId}/record'],
}

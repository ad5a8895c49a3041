import { MicrophoneError } from './errors.ts'

const reasons: Record<string, 'microphone_denied' | 'microphone_missing'> = {
  NotAllowedError: 'microphone_denied',
  SecurityError: 'microphone_denied',
  NotFoundError: 'microphone_missing',
  OverconstrainedError: 'microphone_missing',
}

/** Opens the microphone. Throws MicrophoneError; pages without a secure context (https or localhost) have no microphone at all. */
async function openMicrophone(constraints: MediaTrackConstraints): Promise<MediaStream> {
  // Undefined outside a secure context, whatever the DOM types say.
  const devices: MediaDevices | undefined = navigator.mediaDevices
  if (!devices) throw new MicrophoneError('microphone_insecure')
  try {
    return await devices.getUserMedia({ audio: constraints, video: false })
  } catch (cause) {
    const name = cause instanceof DOMException ? cause.name : ''
    throw new MicrophoneError(reasons[name] ?? 'microphone_failed', { name }, { cause })
  }
}

export interface MicrophoneOptions {
  constraints: () => MediaTrackConstraints
  /** What sends the microphone, once there is a connection. */
  sender: () => RTCRtpSender | undefined
  /** The device was unplugged; `label` names the one that took its place, empty when there is none. */
  onLost: (label: string) => void
}

/** The microphone of one call. */
export class Microphone {
  readonly #options: MicrophoneOptions
  #stream: MediaStream | undefined
  #closed = false

  constructor(options: MicrophoneOptions) {
    this.#options = options
  }

  /** Undefined when it was closed while the user was being asked. Throws MicrophoneError. */
  async open({ muted }: { muted: () => boolean }): Promise<MediaStream | undefined> {
    const stream = await this.#keep(this.#options.constraints())
    for (const track of stream?.getAudioTracks() ?? []) track.enabled = !muted()
    return stream
  }

  /** Sends another device from now on, without a word to the other side. Throws MicrophoneError and keeps the old one. */
  async change(constraints: MediaTrackConstraints): Promise<void> {
    const sender = this.#options.sender()
    if (!sender || this.#closed) return
    const [track] = (await this.#keep(constraints))?.getAudioTracks() ?? []
    if (!track) return
    track.enabled = sender.track?.enabled ?? true
    await sender.replaceTrack(track)
  }

  close(): void {
    this.#closed = true
    closeStream(this.#stream)
  }

  async #keep(constraints: MediaTrackConstraints): Promise<MediaStream | undefined> {
    const stream = await openMicrophone(constraints)
    if (this.#closed) {
      closeStream(stream)
      return undefined
    }
    closeStream(this.#stream)
    this.#stream = stream
    // `ended` comes when the device goes, not when we stop the track.
    for (const track of stream.getAudioTracks()) track.addEventListener('ended', () => void this.#replace(), { once: true })
    return stream
  }

  async #replace(): Promise<void> {
    if (this.#closed) return
    const { deviceId: _, ...any } = this.#options.constraints()
    try {
      await this.change(any)
      this.#options.onLost(this.#stream?.getAudioTracks()[0]?.label ?? '')
    } catch {
      // None left: the listener is told, and silence is sent.
      this.#options.onLost('')
    }
  }
}

const closeStream = (stream: MediaStream | undefined): void => {
  for (const track of stream?.getTracks() ?? []) track.stop()
}

export interface AudioDevice {
  deviceId: string
  /** Empty until the microphone was allowed once. */
  label: string
}

/** The microphones and speakers of this machine. Browsers that cannot choose a speaker list none, pages without a secure context neither. */
export async function listAudioDevices(): Promise<{ microphones: AudioDevice[]; speakers: AudioDevice[] }> {
  const media: MediaDevices | undefined = navigator.mediaDevices
  const devices = media ? await media.enumerateDevices() : []
  const of = (kind: MediaDeviceKind) =>
    devices.filter(device => device.kind === kind).map(({ deviceId, label }) => ({ deviceId: deviceId, label }))
  return { microphones: of('audioinput'), speakers: of('audiooutput') }
}

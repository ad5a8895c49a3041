import { MicrophoneError } from './errors.ts'

const reasons: Record<string, 'microphone_denied' | 'microphone_missing'> = {
  NotAllowedError: 'microphone_denied',
  SecurityError: 'microphone_denied',
  NotFoundError: 'microphone_missing',
  OverconstrainedError: 'microphone_missing',
}

/** Opens the microphone. Throws MicrophoneError; pages without a secure context (https or localhost) have no microphone at all. */
export async function openMicrophone(constraints: MediaTrackConstraints): Promise<MediaStream> {
  // Undefined outside a secure context, whatever the DOM types say.
  const devices: MediaDevices | undefined = navigator.mediaDevices
  if (!devices) throw new MicrophoneError('microphone_denied', { secure_context: isSecureContext })
  try {
    return await devices.getUserMedia({ audio: constraints, video: false })
  } catch (cause) {
    const name = cause instanceof DOMException ? cause.name : ''
    throw new MicrophoneError(reasons[name] ?? 'microphone_failed', { name }, { cause })
  }
}

export const closeStream = (stream: MediaStream | undefined): void => {
  for (const track of stream?.getTracks() ?? []) track.stop()
}

export interface AudioDevice {
  device_id: string
  /** Empty until the microphone was allowed once. */
  label: string
}

/** The microphones and speakers of this machine. Browsers that cannot choose a speaker list none. */
export async function listAudioDevices(): Promise<{ microphones: AudioDevice[]; speakers: AudioDevice[] }> {
  const devices = await navigator.mediaDevices.enumerateDevices()
  const of = (kind: MediaDeviceKind) =>
    devices.filter(device => device.kind === kind).map(({ deviceId, label }) => ({ device_id: deviceId, label }))
  return { microphones: of('audioinput'), speakers: of('audiooutput') }
}

/** Runs in the page before the app: keeps the app's connections and everything that comes over them as 8 kHz samples. */
export function installProbe(): void {
  const Original = RTCPeerConnection
  const probe: PageProbe = { connections: [], samples: [], total: 0 }
  const ringSize = 8000 * 60
  let listening: { track: MediaStreamTrack; context: AudioContext } | undefined
  /** The newest track is the one that is heard; a renegotiation may tell of the same one again. */
  const listen = (track: MediaStreamTrack): void => {
    if (listening?.track === track) return
    void listening?.context.close()
    const context = new AudioContext({ sampleRate: 8000 })
    const source = context.createMediaStreamSource(new MediaStream([track]))
    const tap = context.createScriptProcessor(1024, 1, 1)
    tap.onaudioprocess = ({ inputBuffer }) => {
      const block = inputBuffer.getChannelData(0)
      probe.total += block.length
      for (const sample of block) probe.samples.push(sample)
      if (probe.samples.length > ringSize) probe.samples.splice(0, probe.samples.length - ringSize)
    }
    source.connect(tap)
    tap.connect(context.destination)
    listening = { track, context }
  }
  class Probed extends Original {
    constructor(configuration?: RTCConfiguration) {
      super(configuration)
      probe.connections.push(this)
      this.addEventListener('track', ({ track }) => listen(track))
    }
  }
  // What makes speech clearer treats a steady tone as noise: the measurement is about the way, not about that.
  const devices: MediaDevices | undefined = navigator.mediaDevices
  if (devices) {
    const open = devices.getUserMedia.bind(devices)
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
    devices.getUserMedia = constraints => open({ ...constraints, audio: plain })
  }
  Object.assign(window, { RTCPeerConnection: Probed, voipbinProbe: probe })
}

export interface PageProbe {
  connections: RTCPeerConnection[]
  samples: number[]
  /** Samples heard since the page was opened. */
  total: number
}

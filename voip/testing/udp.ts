import { createSocket } from 'node:dgram'
import { until } from './wait.ts'

/** Sends one datagram and gives everything that came back until `enough` says so; for messages no SIP stack would send. */
export async function exchange(
  target: { ip: string; port: number },
  message: string | Buffer,
  enough: (answer: string) => boolean,
  timeout_ms = 30_000,
): Promise<string> {
  const socket = createSocket('udp4')
  let answer = ''
  socket.on('message', data => {
    answer += data
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  const local = String(socket.address().port)
  await new Promise<void>((resolve, reject) =>
    socket.send(String(message).replaceAll('LOCAL_PORT', local), target.port, target.ip, error => (error ? reject(error) : resolve())),
  )
  try {
    await until('an answer', () => enough(answer), timeout_ms)
    return answer
  } finally {
    socket.close()
  }
}

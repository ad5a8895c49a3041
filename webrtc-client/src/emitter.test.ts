import { expect, test } from 'vitest'
import { Emitter } from './emitter.ts'

class Bell extends Emitter<{ ring: number; stop: undefined }> {
  ring(times: number): void {
    this.emit('ring', times)
  }
}

test('calls listeners in order until they are taken off', () => {
  const bell = new Bell()
  const heard: string[] = []
  const off = bell.on('ring', times => heard.push(`a${times}`))
  bell.on('ring', times => heard.push(`b${times}`))
  bell.ring(1)
  off()
  bell.ring(2)
  expect(heard).toEqual(['a1', 'b1', 'b2'])
})

test('once gives the next event or the reason of its signal', async () => {
  const bell = new Bell()
  const next = bell.once('ring')
  bell.ring(3)
  expect(await next).toBe(3)
  await expect(bell.once('ring', { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone')
})

import { type State, secretsOf } from './platform.ts'

interface Bridge {
  id: string
  /** Number of its Asterisk, from 1. */
  asterisk: number
  channels: string[]
}

/** Bridges of all Asterisks, as they tell it themselves. Evidence only: nothing of a journey goes this way. */
export async function bridges(state: State): Promise<Bridge[]> {
  const authorization = `Basic ${Buffer.from(`voipbin:${secretsOf(state).ari_password}`).toString('base64')}`
  const found = await Promise.all(
    [1, 2].map(async asterisk => {
      const answer = await fetch(`http://127.0.0.1:${state.ports[`asterisk_call_${asterisk}_http`]}/ari/bridges`, {
        headers: { authorization },
      })
      return ((await answer.json()) as { id: string; channels: string[] }[]).map(({ id, channels }) => ({ asterisk, id, channels }))
    }),
  )
  return found.flat()
}

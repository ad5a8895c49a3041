// What callers of the demo number hear, and what the self-test calls.
import type { VoIPBIN } from '@voipbin/sdk'

type Actions = Parameters<VoIPBIN['flows']['create']>[0]['actions']

/** Ids only have to differ within one flow. */
const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const [MENU, MESSAGE, DESK, AGAIN] = [id(1), id(2), id(3), id(4)]

export const DEMO_FLOW = 'Demo menu'
export const demoActions: Actions = [
  { type: 'answer' },
  { id: MENU, type: 'talk', option: { text: 'Welcome to VoIPBIN. Press 1 to leave a message, or 2 to talk to the desk.' } },
  { type: 'digits_receive', option: { length: 1, duration: 8000 } },
  { type: 'branch', option: { target_ids: { '1': MESSAGE, '2': DESK }, default_target_id: AGAIN } },
  { id: MESSAGE, type: 'talk', option: { text: 'Please speak after the tone, and press the hash key when you are done.' } },
  { type: 'recording_start', option: { beep_start: true, duration: 60 } },
  { type: 'digits_receive', option: { length: 1, key: '#', duration: 60_000 } },
  { type: 'recording_stop' },
  { type: 'talk', option: { text: 'Thank you. Goodbye.' } },
  { type: 'hangup' },
  { id: DESK, type: 'talk', option: { text: 'One moment, please.' } },
  { type: 'connect', option: { destinations: [{ type: 'extension', target: '1001' }], dial_timeout: 30 } },
  { type: 'talk', option: { text: 'Nobody is at the desk. Goodbye.' } },
  { type: 'hangup' },
  { id: AGAIN, type: 'goto', option: { target_id: MENU, loop_count: 2 } },
  { type: 'talk', option: { text: 'Goodbye.' } },
]

export const SELF_TEST_FLOW = 'Self-test'
/** The digit is pressed while the text is spoken and taken after it. */
export const selfTestActions: Actions = [
  { type: 'answer' },
  { type: 'talk', option: { text: 'VoIPBIN is ready.' } },
  { type: 'digits_receive', option: { length: 1, duration: 4000 } },
  { type: 'hangup' },
]

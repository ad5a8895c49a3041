// What `npm start` prints at its end.
import type { Demo, State } from './state.ts'

export interface Examples {
  curl: string
  sdk: string
  browser: string
}

/** Three things to copy and paste, from the checkout's folder. They are run by a test. */
export function examples(state: State, demo: Demo): Examples {
  const [phone] = demo.extensions
  const call = {
    source: { type: 'tel', target: demo.number },
    destinations: [{ type: 'extension', target: phone?.extension }],
    actions: [{ type: 'talk', option: { text: 'Hello from VoIPBIN.' } }],
  }
  const headers = [`-H 'Authorization: AccessKey ${demo.accesskey}'`, "-H 'Content-Type: application/json'"]
  const script = [
    "const { VoIPBIN } = await import('@voipbin/sdk')",
    `const client = new VoIPBIN({ accessKey: '${demo.accesskey}', baseUrl: '${state.api_url}' })`,
    'for await (const call of client.calls.list()) console.log(call.tm_create, call.source.target, call.destination.target, call.status)',
  ]
  const prefill = new URLSearchParams({
    username: demo.username,
    password: demo.password,
    extension: phone?.extension ?? '',
    extension_password: phone?.password ?? '',
  })
  return {
    curl: `curl -X POST ${state.api_url}/calls ${headers.join(' ')} -d '${JSON.stringify(call)}'`,
    sdk: `npx node --input-type=module -e "${script.join('; ')}"`,
    browser: `${state.softphone_url}#${prefill}`,
  }
}

export interface SummaryOptions {
  took: string
  /** Whether it goes on without the terminal. */
  detached: boolean
}

/** URLs, credentials and examples. */
export function summary(state: State, { took, detached }: SummaryOptions): string {
  return [
    `VoIPBIN is ready (${took}).`,
    '',
    `  API         ${state.api_url}`,
    `  WebSocket   ${state.ws_url}`,
    `  Softphone   ${state.softphone_url}`,
    `  SIP         ${state.sip.udp} (udp, tcp), ${state.sip.tls} (tls), ${state.sip.ws_url}, ${state.sip.wss_url}`,
    '',
    ...(state.demo ? demoLines(state, state.demo) : []),
    detached ? '  npm run status · npm run logs · npm stop' : '  Ctrl-C stops it. In another terminal: npm run status · npm run logs',
    '',
  ].join('\n')
}

function demoLines(state: State, demo: Demo): string[] {
  const { curl, sdk, browser } = examples(state, demo)
  return [
    `  Demo        user ${demo.username}, password ${demo.password}`,
    `              access key ${demo.accesskey}`,
    `              number ${demo.number}: dial it in the softphone; carrier calls come from ${state.sip.carrier.split(':')[0]}`,
    ...demo.extensions.map(({ extension, password, domain }) => `              extension ${extension}@${domain}, password ${password}`),
    '',
    '  Open the softphone and press "Sign in":',
    `    ${browser}`,
    '  Ring it and speak to it:',
    `    ${curl}`,
    '  See the calls, by the SDK:',
    `    ${sdk}`,
    '',
  ]
}

import { portSuite } from './port-suite.ts'
import { openWebSocketPort } from './ws-port.ts'

portSuite('WebSocket', openWebSocketPort)

import { openAriClientPort } from './ari-client-port.ts'
import { portSuite } from './port-suite.ts'

portSuite('ari-client', openAriClientPort)

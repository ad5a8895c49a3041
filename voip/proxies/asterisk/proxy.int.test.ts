import { proxySuite } from './proxy-suite.ts'

proxySuite('websocket')

import { proxySuite } from './proxy-suite.ts'

proxySuite('ari-client')

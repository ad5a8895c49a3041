// What the root filesystems hold. A change here changes the archive's key, so that everybody builds a new one.

export const SUITE = 'forky'

/** Owner of everything the servers write, and whom they run as. From the range Debian keeps for packages' own static users. */
export const SERVER_UID = 64321

/** Media servers, data servers, speech engines and the tools of the self-test. */
export const SERVER_PACKAGES = [
  'asterisk',
  'asterisk-core-sounds-en-wav',
  'kamailio',
  'kamailio-extra-modules',
  'kamailio-json-modules',
  'kamailio-mysql-modules',
  'kamailio-tls-modules',
  'kamailio-utils-modules',
  'kamailio-websocket-modules',
  'rtpengine-daemon',
  'mariadb-server-core',
  'mariadb-client-core',
  'redis-server',
  'rabbitmq-server',
  'flite',
  'espeak-ng',
  'sox',
  'sip-tester',
  'tcpdump',
  'openssl',
]

/** For tests and benchmarks only. */
export const BROWSER_PACKAGES = ['chromium', 'fonts-dejavu-core']

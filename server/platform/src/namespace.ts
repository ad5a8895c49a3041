import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { runOrThrow } from './chroot.ts'

/** Set inside the namespaces. */
const INSIDE_VARIABLE = 'VOIPBIN_NAMESPACE'

export const isInsideNamespace = (): boolean => process.env[INSIDE_VARIABLE] !== undefined

/**
 * Runs this very command again in network, mount and process namespaces of its own: ports never collide with anything on the machine, and
 * when it ends, however it ends, the kernel ends everything it started. Gives its exit code.
 */
export function insideNamespace(): Promise<number> {
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  // the shell is process 1 there: it waits for the command and buries orphans
  const args = [
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--',
    '/bin/sh',
    '-c',
    '"$@"; exit $?',
    'sh',
    ...again,
  ]
  const child = spawn('unshare', args, { stdio: 'inherit', env: { ...process.env, [INSIDE_VARIABLE]: '1' } })
  // Ctrl-C reaches the command inside, which stops what it started
  process.on('SIGINT', () => undefined)
  for (const name of ['SIGTERM', 'SIGHUP'] as const) process.on(name, () => child.kill('SIGKILL'))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => resolve(code ?? 1))
  })
}

/** SIOCGIFFLAGS, SIOCSIFFLAGS and IFF_UP: a new network namespace has its loopback down, and iproute2 may be missing. */
const LOOPBACK_UP = `
  use Socket; socket(my $s, AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
  my $r = pack("a16 s x14", "lo", 0); ioctl($s, 0x8913, $r) or die "flags: $!";
  my ($n, $f) = unpack("a16 s", $r); ioctl($s, 0x8914, pack("a16 s x14", "lo", $f | 1)) or die "up: $!";`

/** Brings loopback up, and keeps outgoing connections away from the ports (below 50000) that tests give to their servers. */
export async function openLoopback(): Promise<void> {
  await runOrThrow('bringing loopback up', ['perl', '-e', LOOPBACK_UP])
  writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '50000 60999')
}

/** Where a test may kill the process: after an effect that must not be lost, before the step that makes it known. */
export type FaultPoint =
  | 'tx.after_commit'
  | 'outbox.after_commit'
  | 'outbox.before_delete'
  | 'consumer.before_ack'
  | 'rpc.before_ack'
  | 'timer.before_done'
  | 'http.after_answer'

// Read here and not in config.ts: it is no setting, and a point may be passed before any configuration is parsed.
const [armed, countdown = '1'] = (process.env.VOIPBIN_FAULT_POINT ?? '').split(':')
let left = Number(countdown)

/** Does nothing unless `VOIPBIN_FAULT_POINT=<name>[:n]` is set: then the n-th pass of that point kills this process as kill -9 does. */
export function fault(point: FaultPoint): void {
  if (point !== armed || --left > 0) return
  process.kill(process.pid, 'SIGKILL')
}

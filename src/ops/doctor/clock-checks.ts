import type { ClientBase } from 'pg'
import type { Finding } from '../finding.ts'

/** Clocks further apart than this are worth a word, in ms: tokens and cursors are dated. */
const TOLERANCE_MS = 2_000

/** Whether this machine's clock and the database's agree, the way to ask counted out. */
export async function checkClock(client: ClientBase, now: () => number): Promise<Finding> {
  const asked = now()
  const { rows } = await client.query<{ now: string }>(
    'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now',
  )
  const answered = now()
  const theirs = Number(rows[0]?.now)
  const behind = Math.max(asked - theirs, theirs - answered, 0)
  const check = 'clock-skew'
  if (behind <= TOLERANCE_MS) return { check, level: 'ok', message: 'clocks agree' }
  return {
    check,
    level: 'warning',
    message: `this machine and the database are ${(behind / 1000).toFixed(1)} s apart`,
    fix: 'Set both by NTP: sign-in tokens expire early or late, and created_at misleads.',
  }
}

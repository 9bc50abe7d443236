import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

const CODEX = resolve(import.meta.dirname, '../../fixtures/session-logs/codex')
const SECOND = 1_000

interface LogLength {
  /** Minimum size in bytes. */
  readonly bytes?: number
  /** Minimum number of lines; each is an event. */
  readonly events?: number
  /** Leaves out lines that are longer than this many characters. */
  readonly maxLineBytes?: number
}

/**
 * Builds a Codex rollout of any length by repeating the events of real ones with increasing times.
 */
export function longLog({ bytes = 0, events = 0, maxLineBytes = Infinity }: LogLength): Buffer {
  const [meta, lines] = realLines(maxLineBytes)
  const start = Date.parse('2026-01-05T08:00:00Z')
  const lineAt = (n: number, line: string) => {
    const time = new Date(start + n * SECOND).toISOString()
    return Buffer.from(`${line.replace(/"timestamp":"[^"]*"/, `"timestamp":"${time}"`)}\n`)
  }
  const log = [lineAt(0, meta)]
  let size = 0
  for (let n = 0; size < bytes || n < events; n += 1) {
    const buffer = lineAt(n, lines[n % lines.length] ?? '')
    log.push(buffer)
    size += buffer.byteLength
  }
  return Buffer.concat(log)
}

/** Returns the `session_meta` line and all other lines that parse on their own. */
function realLines(maxLineBytes: number): [meta: string, lines: string[]] {
  const files = readdirSync(CODEX).filter((file) => /^(agentv|localpush|skills)/.test(file))
  const all = files.flatMap((file) => readFileSync(resolve(CODEX, file), 'utf8').split('\n'))
  const whole = all.filter((line) => line.startsWith('{"timestamp"') && line.endsWith('}'))
  const meta = whole.find((line) => line.includes('"session_meta"'))
  if (meta === undefined) throw new Error(`No session_meta in the logs of ${CODEX}`)
  const rest = whole.filter((line) => !line.includes('"session_meta"'))
  return [meta, rest.filter((line) => Buffer.byteLength(line) <= maxLineBytes)]
}

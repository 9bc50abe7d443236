import type { WriteStream } from 'node:tty'
import pc from 'picocolors'

/**
 * Colours for one stream: only when that very stream is a terminal, never with NO_COLOR.
 * FORCE_COLOR asks for them anyway.
 */
export function colorsFor(stream: Pick<WriteStream, 'isTTY'>): ReturnType<typeof pc.createColors> {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  const wanted = FORCE_COLOR ? FORCE_COLOR !== '0' : stream.isTTY && TERM !== 'dumb'
  return pc.createColors(!NO_COLOR && Boolean(wanted))
}

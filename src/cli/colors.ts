import type { WriteStream } from 'node:tty'
import pc from 'picocolors'

/**
 * Returns colors for one stream: none unless that stream is a terminal, never with NO_COLOR, always
 * with FORCE_COLOR.
 */
export function colorsFor(stream: Pick<WriteStream, 'isTTY'>): ReturnType<typeof pc.createColors> {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  const wanted = FORCE_COLOR ? FORCE_COLOR !== '0' : stream.isTTY && TERM !== 'dumb'
  return pc.createColors(!NO_COLOR && Boolean(wanted))
}

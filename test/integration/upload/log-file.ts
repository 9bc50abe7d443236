/** Creates a Codex rollout with this many events, each with a different text. */
export function codexLog(events: number, text = 'word'): Buffer {
  const lines = [
    {
      type: 'session_meta',
      payload: { id: 'agent-1', cwd: '/home/ada/app', cli_version: '0.50.0' },
    },
    ...Array.from({ length: events - 1 }, (_, n) => ({
      type: 'response_item',
      payload: {
        type: 'message',
        role: n % 2 === 0 ? 'user' : 'assistant',
        content: [{ type: 'input_text', text: `${text} number ${n}` }],
      },
    })),
  ]
  const time = (n: number) => new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString()
  return Buffer.from(
    lines.map((line, n) => `${JSON.stringify({ timestamp: time(n), ...line })}\n`).join(''),
  )
}

/** Streams bytes; fails after `breakAt` bytes. */
export async function* streamOf(bytes: Uint8Array, breakAt?: number): AsyncGenerator<Uint8Array> {
  const end = breakAt ?? bytes.byteLength
  for (let at = 0; at < end; at += 65_536) yield bytes.subarray(at, Math.min(at + 65_536, end))
  if (breakAt !== undefined) throw new Error('The connection broke')
}

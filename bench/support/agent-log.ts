const WORDS =
  `the test fails because session token expired before retry and handler returns early check
  file path import module build error line function value timeout request response header database
  query index migration user tenant event stream shape commit branch merge review deploy`.split(
    /\s+/,
  )

/** Options of a generated log. */
export interface AgentLogOptions {
  readonly lines: number
  /** Characters of a tool result; default 600. */
  readonly outputLength?: number
}

/**
 * Generates a Codex rollout while it is read: prompts, answers, tool calls and results with distinct
 * words. The same options give the same bytes.
 */
export function* agentLog({ lines, outputLength = 600 }: AgentLogOptions): Generator<Buffer> {
  const random = numbers(7)
  const words = (length: number): string => {
    let text = ''
    while (text.length < length) {
      text += `${WORDS[random() % WORDS.length]}${random() % 20 === 0 ? `-${random() % 5_000}` : ''} `
    }
    return text
  }
  for (let n = 0; n < lines; n++) {
    const time = new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString()
    const line = n === 0 ? HEADER : { type: 'response_item', payload: item(n, words, outputLength) }
    yield Buffer.from(`${JSON.stringify({ timestamp: time, ...line })}\n`)
  }
}

const HEADER = { type: 'session_meta', payload: { id: 'agent-1', cwd: '/home/ada/app' } }

function item(n: number, words: (length: number) => string, outputLength: number): object {
  const said = (role: string, type: string, length: number) => ({
    type: 'message',
    role,
    content: [{ type, text: words(length) }],
  })
  switch (n % 4) {
    case 1:
      return said('user', 'input_text', 80)
    case 2: {
      const command = JSON.stringify({ command: ['bash', '-lc', words(60)] })
      return { type: 'function_call', name: 'shell', arguments: command, call_id: `call-${n}` }
    }
    case 3:
      return {
        type: 'function_call_output',
        call_id: `call-${n - 1}`,
        output: words(outputLength),
      }
    default:
      return said('assistant', 'output_text', 200)
  }
}

/** Deterministic pseudo-random numbers. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 8
  }
}

import { setTimeout as pause } from 'node:timers/promises'

/** The model's speed, in ms per token. */
const TOKEN_MS = Number(process.env.ECHO_TOKEN_MS ?? 25)

/**
 * A model that works without a network: it repeats the question. Replace it with a real one, for
 * example `streamText({ model, messages })` of the AI SDK, and pipe its result into the stream.
 *
 * @param said the text of the answer so far, to continue from
 */
export async function* echoModel(question: string, said: string): AsyncGenerator<string> {
  for (const token of tokensOf(answerTo(question).slice(said.length))) {
    await pause(TOKEN_MS)
    yield token
  }
}

/** The answer is deterministic, so that an interrupted one can be resumed. */
function answerTo(question: string): string {
  const words = question.match(/[\p{L}\p{N}]+/gu) ?? []
  const longest = words.reduce((long, word) => (word.length > long.length ? word : long), '')
  const quoted = question.trim().replaceAll(/^/gm, '> ')
  return `You asked:

${quoted}

I am the **echo model**, built in so that this app works without a network. What I can tell you:

- it has ${words.length} ${words.length === 1 ? 'word' : 'words'} and ${question.length} characters
- the longest word is \`${longest}\`
- a real model would know the answer

To use one, replace \`echoModel\` in \`src/server/echo-model.ts\`:

\`\`\`ts
const result = streamText({ model, messages })
await stream.pipe(result.toUIMessageStream())
\`\`\`
`
}

function tokensOf(text: string): string[] {
  return text.match(/\s*\S+\s*?|\s+$/g) ?? []
}

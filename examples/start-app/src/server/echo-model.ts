import { setTimeout as pause } from 'node:timers/promises'

/** How fast the model talks, in ms per token. */
const TOKEN_MS = Number(process.env.ECHO_TOKEN_MS ?? 25)

/**
 * A model that needs no network: it answers every question with the question. Put your own here,
 * `streamText({ model, messages })` of the AI SDK for example, and pipe what it says into the stream.
 *
 * @param said what has been said of the answer already: it goes on from there
 */
export async function* echoModel(question: string, said: string): AsyncGenerator<string> {
  for (const token of tokensOf(answerTo(question).slice(said.length))) {
    await pause(TOKEN_MS)
    yield token
  }
}

/** The same answer to the same question, so that a broken one can be resumed. */
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

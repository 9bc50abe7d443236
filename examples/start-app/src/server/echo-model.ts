import { setTimeout as pause } from 'node:timers/promises'
import type { JsonObject, JsonValue } from '@org/session-db'
import { bytes, count } from '#/lib/format'

/** The model's name. */
export const MODEL = 'echo'

/** The model's speed, in ms per token. */
const TOKEN_MS = Number(process.env.ECHO_TOKEN_MS ?? 25)

/** The model's tools take as long as this number of tokens. */
const TOOL_TOKENS = 240

/** The question and the answer so far. */
interface Prompt {
  readonly question: string
  /** Attached files, as `data:` URLs. */
  readonly files: readonly JsonObject[]
  /** The text and parts of the answer so far, to continue from. */
  readonly content: string
  readonly parts: readonly JsonValue[]
  /** The user's decision about the tool call that the model asked for before. */
  readonly approved: boolean | undefined
}

/** A piece of text, or a part as in the AI SDK. */
type Piece = string | (JsonObject & { readonly type: string })

/**
 * A model that works without a network: it repeats the question. Replace it with a real one, for
 * example `streamText({ model, messages })` of the AI SDK, and pipe its result into the stream.
 *
 * To show tool calls, it asks for leave to run a command (“Run `npm ci`”), and takes a while to look something up
 * (“Look up tides”).
 */
export async function* echoModel(prompt: Prompt): AsyncGenerator<Piece> {
  const { question, files, content, parts, approved } = prompt
  const command = /^run `([^`]+)`/i.exec(question)?.[1]
  if (command !== undefined && approved === undefined) {
    yield approvalOf(command)
    return
  }
  const topic = /^look up (.+)/i.exec(question)?.[1]
  if (topic !== undefined && parts.length === 0) {
    const call = { type: 'tool-lookUp', toolCallId: 'look-up', input: { topic } }
    yield { ...call, state: 'input-available' }
    await pause(TOKEN_MS * TOOL_TOKENS)
    yield { ...call, state: 'output-available', output: `Nothing: this model has no network.` }
  }
  const said = approved === undefined ? answerTo(question, files) : answerAfter(approved)
  for (const token of tokensOf(said.slice(content.length))) {
    await pause(TOKEN_MS)
    yield token
  }
}

function approvalOf(command: string) {
  return {
    type: 'tool-runCommand',
    toolCallId: 'run-command',
    state: 'approval-requested',
    input: { command },
    approval: { id: 'may-run' },
  }
}

/** Returns the parts with a decision and its result; undefined if there is nothing to decide. */
export function decidedParts(
  parts: readonly JsonValue[],
  approvalId: string,
  approved: boolean,
): JsonValue[] | undefined {
  let isDecided = false
  const decided = (parts as readonly JsonObject[]).map((part): JsonObject => {
    const { approval, state } = part
    const isAsking = state === 'approval-requested' && (approval as JsonObject).id === approvalId
    if (!isAsking) return part
    isDecided = true
    // Here an app would run the tool.
    const result: JsonObject = approved
      ? { state: 'output-available', output: 'The echo model runs nothing.' }
      : { state: 'output-denied' }
    return { ...part, ...result, approval: { id: approvalId, approved } }
  })
  return isDecided ? decided : undefined
}

function answerAfter(approved: boolean): string {
  return approved
    ? 'The command has run. A real model would read its output now.'
    : 'Then I will not run it.'
}

/** The answer is deterministic, so that an interrupted one can be resumed. */
function answerTo(question: string, files: readonly JsonObject[]): string {
  const words = question.match(/[\p{L}\p{N}]+/gu) ?? []
  const longest = words.reduce((long, word) => (word.length > long.length ? word : long), '')
  const quoted = question.trim().replaceAll(/^/gm, '> ')
  const asked = question.trim() === '' ? '' : `You asked:\n\n${quoted}\n\n`
  return `${asked}${receivedOf(files)}I am the **echo model**, built in so that this app works without a network. What I can tell you:

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

function receivedOf(files: readonly JsonObject[]): string {
  if (files.length === 0) return ''
  const lines = files.map(({ filename, mediaType, url }) => {
    const [, encoded = ''] = String(url).split(',')
    const size = Buffer.from(encoded, 'base64').length
    return `- \`${filename}\`: ${mediaType}, ${bytes(size)}`
  })
  return `I received ${count(files.length, 'file')}:\n\n${lines.join('\n')}\n\n`
}

/** The title of a chat that starts with this question: its first sentence without Markdown and polite words. */
export function titleFor(question: string): string {
  const text = question.replaceAll(/[`*_#>]/g, '').trim()
  const asked = text.replace(/^(?:(?:hi|hello|please|can you|could you)\b[,!\s]*)+/i, '')
  const [sentence = ''] = /^.+?(?:[.!?](?=\s|$)|$)/m.exec(asked) ?? []
  const words = sentence.replace(/[.!]$/, '').split(/\s+/)
  const title =
    words.length > TITLE_WORDS ? `${words.slice(0, TITLE_WORDS).join(' ')} …` : words.join(' ')
  return title.charAt(0).toUpperCase() + title.slice(1, MAX_TITLE)
}

const TITLE_WORDS = 8
const MAX_TITLE = 80

/** The tokens of a prompt and of its answer. */
export function usageOf({ question, content }: Prompt, answer: string) {
  return {
    inputTokens: tokensOf(question).length,
    outputTokens: tokensOf(answer.slice(content.length)).length,
  }
}

function tokensOf(text: string): string[] {
  return text.match(/\s*\S+\s*?|\s+$/g) ?? []
}

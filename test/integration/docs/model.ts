import { simulateReadableStream } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
}

type ModelChunk = { readonly type: string; readonly [key: string]: unknown }

/** Creates a model that streams the given chunks, one list per call. */
export function modelSaying(...answers: ModelChunk[][]) {
  let asked = 0
  return new MockLanguageModelV4({
    doStream: async () => {
      const chunks = [{ type: 'stream-start', warnings: [] }, ...(answers[asked++] ?? [])]
      return { stream: simulateReadableStream({ chunks }) } as never
    },
  })
}

/** Splits a text into chunks, one per word. */
export const said = (text: string): ModelChunk[] => [
  { type: 'text-start', id: '1' },
  ...text.split(/(?<= )/).map((delta) => ({ type: 'text-delta', id: '1', delta })),
  { type: 'text-end', id: '1' },
]
/** The last chunk of an answer, with the reason. */
export const finished = (unified: string): ModelChunk => ({
  type: 'finish',
  usage,
  finishReason: { unified, raw: unified },
})

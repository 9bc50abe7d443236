import { MockLanguageModelV4 } from 'ai/test'

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
}

/** Stands for a model of the AI SDK: it answers with what it was given. */
export const model = new MockLanguageModelV4({
  doGenerate: async ({ prompt }) => {
    const roles = prompt.map(({ role }) => role)
    const said = roles.filter((role) => role === 'assistant').length
    return {
      content: [{ type: 'text', text: `I know ${roles.length} messages, ${said} of them mine.` }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage,
      warnings: [],
    }
  },
})

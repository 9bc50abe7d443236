import { isRecord, type JsonRecord } from './json.ts'

/** Tokens of a session, as its agent reports them. */
export interface TokenUsage {
  readonly inputTokens: number
  readonly outputTokens: number
  /** Tokens read from the model's cache. */
  readonly cachedTokens: number
  readonly reasoningTokens: number
}

const NAMES: Readonly<Record<keyof TokenUsage, readonly string[]>> = {
  inputTokens: [
    ...['input_tokens', 'inputTokens', 'input', 'prompt_tokens', 'promptTokens'],
    'promptTokenCount',
  ],
  outputTokens: [
    ...['output_tokens', 'outputTokens', 'output', 'completion_tokens', 'completionTokens'],
    'candidatesTokenCount',
  ],
  cachedTokens: [
    ...['cached_input_tokens', 'cache_read_input_tokens', 'cachedInputTokens', 'cacheReadTokens'],
    ...['cached', 'cacheRead', 'cachedContentTokenCount'],
  ],
  reasoningTokens: [
    ...['reasoning_output_tokens', 'reasoningTokens', 'reasoning', 'thoughts'],
    'thoughtsTokenCount',
  ],
}

/** Places where some agents nest a count: `cache.read`, `output_tokens_details.reasoning_tokens`. */
const NESTED: Readonly<Record<string, readonly [place: string, name: string][]>> = {
  cachedTokens: [
    ['cache', 'read'],
    ['input_tokens_details', 'cached_tokens'],
    ['prompt_tokens_details', 'cached_tokens'],
  ],
  reasoningTokens: [
    ['output_tokens_details', 'reasoning_tokens'],
    ['completion_tokens_details', 'reasoning_tokens'],
  ],
}

/** Reads token counts under any of the names that agents use; undefined when there are none. */
export function readUsage(value: unknown): TokenUsage | undefined {
  if (!isRecord(value)) return undefined
  const counts = Object.keys(NAMES).map((key) => [key, countOf(value, key as keyof TokenUsage)])
  if (counts.every(([, count]) => count === undefined)) return undefined
  return Object.fromEntries(
    counts.map(([key, count]) => [key, count ?? 0]),
  ) as unknown as TokenUsage
}

function countOf(value: JsonRecord, key: keyof TokenUsage): number | undefined {
  for (const name of NAMES[key]) {
    const count = asCount(value[name])
    if (count !== undefined) return count
  }
  for (const [place, name] of NESTED[key] ?? []) {
    const nested = value[place]
    const count = isRecord(nested) ? asCount(nested[name]) : undefined
    if (count !== undefined) return count
  }
  return undefined
}

function asCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** Model answers whose usage may still be corrected; beyond that, the oldest are final. */
const OPEN_ANSWERS = 20_000

/** Adds up usage, each model answer once. */
export interface UsageTally {
  /**
   * Counts an answer's usage. Of several reports for the same answer, the one with most output counts:
   * agents log an answer in parts, of which some have the usage at its start.
   *
   * @param answer id of the answer; without one, the report counts by itself
   */
  count(answer: unknown, usage: TokenUsage | undefined): void
  readonly total: TokenUsage | undefined
}

export function createUsageTally(): UsageTally {
  const open = new Map<string, TokenUsage>()
  let total: TokenUsage | undefined
  return {
    count(answer, usage) {
      if (usage === undefined) return
      const before = typeof answer === 'string' ? open.get(answer) : undefined
      if (before !== undefined && before.outputTokens > usage.outputTokens) return
      total = plus(total, usage)
      if (typeof answer !== 'string') return
      if (before !== undefined) total = plus(total, before, -1)
      open.delete(answer)
      open.set(answer, usage)
      if (open.size <= OPEN_ANSWERS) return
      for (const oldest of open.keys()) {
        open.delete(oldest)
        break
      }
    },
    get total() {
      return total
    },
  }
}

/** Adds `factor` times the second usage to the first. Never below zero. */
export function plus(total: TokenUsage | undefined, usage: TokenUsage, factor = 1): TokenUsage {
  const add = (key: keyof TokenUsage) => Math.max(0, (total?.[key] ?? 0) + factor * usage[key])
  return {
    inputTokens: add('inputTokens'),
    outputTokens: add('outputTokens'),
    cachedTokens: add('cachedTokens'),
    reasoningTokens: add('reasoningTokens'),
  }
}

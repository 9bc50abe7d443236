/** The usage of one model call, as the AI SDK reports it. */
export interface ReportedUsage {
  readonly callId?: string
  readonly model?: string
  readonly inputTokens?: number
  readonly outputTokens?: number
  readonly cachedTokens?: number
  readonly reasoningTokens?: number
  readonly cost?: number
}

/**
 * Returns the usage in a chunk of a UI message stream, if the app has put it into the message's metadata: as
 * `usage` what `streamText` reports, beside it `model`, `cost` and the provider's `responseId`.
 */
export function usageIn(chunk: { readonly type: string }): ReportedUsage | undefined {
  const { messageMetadata } = chunk as { readonly messageMetadata?: unknown }
  const { usage, model, cost, responseId } = (messageMetadata ?? {}) as Record<string, unknown>
  if (typeof usage !== 'object' || usage === null) return undefined
  const given = usage as Record<string, unknown>
  const input = (given.inputTokenDetails ?? {}) as Record<string, unknown>
  const output = (given.outputTokenDetails ?? {}) as Record<string, unknown>
  const values = {
    inputTokens: countOf(given.inputTokens),
    outputTokens: countOf(given.outputTokens),
    cachedTokens: countOf(input.cacheReadTokens ?? given.cachedInputTokens),
    reasoningTokens: countOf(output.reasoningTokens ?? given.reasoningTokens),
    model: textOf(model),
    callId: textOf(responseId),
    cost: typeof cost === 'number' && cost >= 0 && Number.isFinite(cost) ? cost : undefined,
  }
  const known = Object.entries(values).filter(([, value]) => value !== undefined)
  return known.length === 0 ? undefined : (Object.fromEntries(known) as ReportedUsage)
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? [...value].slice(0, 256).join('') : undefined
}

/** The error's kind and code, not its text: a text can hold the URL and with it the secret. */
export function describeError(error: unknown): string {
  const kinds: string[] = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    kinds.push('code' in cause ? `${cause.name} ${String(cause.code)}` : cause.name)
  }
  return kinds.join(', caused by ') || typeof error
}

/**
 * Rejects when a promise takes too long, so that a benchmark fails instead of hanging.
 *
 * @throws when the time is up
 * @example
 * await within(60_000, 'the last write reaches the client', told)
 */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`after ${ms} ms still not true: ${what}`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

import type { SessionDbError } from '../errors.ts'

/**
 * Creates the default for `onError`: warns once per error code during development, because a refused
 * write otherwise only shows as a row that disappears.
 */
export function warnInDevelopment(): (error: SessionDbError) => void {
  const warned = new Set<string>()
  return (error) => {
    if (warned.has(error.code) || !isDevelopment()) return
    warned.add(error.code)
    console.warn(
      `session-db: ${error.code}: ${error.message} (Handle such errors with the option onError of createSessionCollections, or the promise \`committed\` of a write. Further ones with this code are not reported.)`,
      error.details ?? '',
    )
  }
}

function isDevelopment(): boolean {
  try {
    // In this form bundlers replace it.
    return process.env.NODE_ENV === 'development'
  } catch {
    return false
  }
}

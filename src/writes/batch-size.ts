/** Most mutations one batch may hold. */
export const MAX_MUTATIONS = 500

/** Most deltas one mutation may append. */
export const MAX_DELTAS = 1_000

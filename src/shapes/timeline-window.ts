/** Most events that one window of a timeline may span. */
export const MAX_WINDOW_EVENTS = 10_000

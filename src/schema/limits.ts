/** Longest id, in characters. Ids are the app's own text; new ones are UUIDv7. */
export const MAX_ID_LENGTH = 128
/** Longest title, in characters. */
export const MAX_TITLE_LENGTH = 1_000
/** Length of a thread's `lastMessagePreview`, in characters. */
export const PREVIEW_LENGTH = 280

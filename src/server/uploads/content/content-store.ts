/** Identifies a content: one tenant's bytes with this SHA-256. Tenants never share a content. */
export interface ContentKey {
  readonly tenantId: string
  /** Lower-case hex. */
  readonly sha256: string
}

/** A byte range: from `start` (zero-based) up to but not including `end`. */
export interface ByteRange {
  readonly start?: number
  readonly end?: number
}

/** Bytes to store. `read` may be called more than once. */
export interface ContentSource {
  readonly bytes: number
  read(): AsyncIterable<Uint8Array>
}

/**
 * Stores the bytes of sessions. A session's `content_ref` is `<scheme>:<sha256>`. Implement these four
 * methods to keep contents elsewhere; bytes are checked and hashed before `put`.
 */
export interface ContentStore {
  /** First part of `content_ref`: lower-case letters and digits, unique among an app's stores. */
  readonly scheme: string
  /** Stores a content, all or nothing. Storing it again changes nothing. */
  put(key: ContentKey, content: ContentSource): Promise<void>
  /**
   * Streams a content, or a range of it.
   *
   * @throws SessionDbError `not_found` when the content doesn't exist.
   */
  get(key: ContentKey, range?: ByteRange): AsyncIterable<Uint8Array>
  /** Returns the size in bytes, or undefined when the content doesn't exist. */
  stat(key: ContentKey): Promise<{ readonly bytes: number } | undefined>
  /** Deletes a content. A missing content is not an error. */
  delete(key: ContentKey): Promise<void>
}

/** Formats the `content_ref` of a content in a store. */
export function contentRef(store: ContentStore, key: ContentKey): string {
  return `${store.scheme}:${key.sha256}`
}

/** Parses a `content_ref`; returns undefined when the text is not one. */
export function parseContentRef(
  ref: string,
): { readonly scheme: string; readonly sha256: string } | undefined {
  const match = /^([a-z0-9]+):([0-9a-f]{64})$/.exec(ref)
  return match === null ? undefined : { scheme: match[1] as string, sha256: match[2] as string }
}

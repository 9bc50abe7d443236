/** Names a content: one tenant's bytes with this SHA-256. There is none that two tenants share. */
export interface ContentKey {
  readonly tenantId: string
  /** Hex, lower case. */
  readonly sha256: string
}

/** Bytes of a content: from `start`, counted from 0, up to but not including `end`. */
export interface ByteRange {
  readonly start?: number
  readonly end?: number
}

/** Bytes to be stored, which can be read as often as needed. */
export interface ContentSource {
  readonly bytes: number
  read(): AsyncIterable<Uint8Array>
}

/**
 * Where the bytes of sessions are. `content_ref` of a session is `<scheme>:<sha256>`, and its tenant is
 * the session's. Implement these four for any other place; bytes are checked and hashed before `put`.
 */
export interface ContentStore {
  /** First part of `content_ref`: lower case letters and digits, unique among an app's stores. */
  readonly scheme: string
  /** Stores a content. All of it is there afterwards, or nothing; storing it again changes nothing. */
  put(key: ContentKey, content: ContentSource): Promise<void>
  /**
   * Reads a content, or a part of it, as a stream.
   *
   * @throws SessionDbError `not_found` when it is not there.
   */
  get(key: ContentKey, range?: ByteRange): AsyncIterable<Uint8Array>
  /** Size in bytes, or undefined when it is not there. */
  stat(key: ContentKey): Promise<{ readonly bytes: number } | undefined>
  /** Deletes a content. One that is not there is no failure. */
  delete(key: ContentKey): Promise<void>
}

/** The `content_ref` of a content in a store. */
export function contentRef(store: ContentStore, key: ContentKey): string {
  return `${store.scheme}:${key.sha256}`
}

/** Scheme and hash of a `content_ref`; undefined when it is none. */
export function parseContentRef(
  ref: string,
): { readonly scheme: string; readonly sha256: string } | undefined {
  const match = /^([a-z0-9]+):([0-9a-f]{64})$/.exec(ref)
  return match === null ? undefined : { scheme: match[1] as string, sha256: match[2] as string }
}

import { passOn } from '../../server/proxy/pass-on.ts'

/** A body of which some has been read. */
export interface HeldBody {
  /** What has been read; null when there is no body at all. */
  readonly pieces: readonly Uint8Array[] | null
  /** What comes after it; null when that was all. */
  readonly rest: ReadableStream<Uint8Array> | null
}

/** Reads a body to its end, or until more than `limit` bytes of it are here. */
export async function holdBody(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
): Promise<HeldBody> {
  if (body === null) return { pieces: null, rest: null }
  const reader = body.getReader()
  const pieces: Uint8Array[] = []
  for (let bytes = 0; bytes <= limit; bytes += pieces.at(-1)?.byteLength ?? 0) {
    const { done, value } = await reader.read()
    if (done) return { pieces, rest: null }
    pieces.push(value)
  }
  reader.releaseLock()
  return { pieces, rest: body }
}

/** The whole body again. As often as is wanted when nothing of it is left to be read. */
export function bodyOf({ pieces, rest }: HeldBody): ReadableStream<Uint8Array> | null {
  if (pieces === null) return null
  return new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      if (rest === null) controller.close()
    },
    ...(rest === null ? {} : passOn(rest, { onEnd: () => {} })),
  })
}

import type { OutgoingDelta } from '../chat/delta-buffer.ts'
import type { MessageStream } from '../chat/message-stream.ts'
import { SessionDbError } from '../errors.ts'
import { foldDelta, type StreamedContent } from '../schema/fold-delta.ts'

/**
 * A stream that takes what is said while that which sends it is loaded.
 *
 * @param opening rejects when it cannot be loaded: the stream is broken then, as by the network
 */
export function createPendingStream(id: string, opening: Promise<MessageStream>): MessageStream {
  let stream: MessageStream | undefined
  let broken: SessionDbError | undefined
  let isEnded = false
  let said: StreamedContent = { content: '', parts: [] }
  let waiting: ((to: MessageStream) => void)[] = []

  const opened = opening.then(
    (ready) => {
      stream = ready
      try {
        for (const say of waiting) say(ready)
      } catch {
        // It was refused meanwhile: who asks next hears of it.
      }
      waiting = []
      return ready
    },
    (error: SessionDbError) => {
      broken = error
      throw error
    },
  )
  opened.catch(() => undefined)

  function say(delta: OutgoingDelta, to: (stream: MessageStream) => void): void {
    if (stream !== undefined) {
      to(stream)
      return
    }
    if (broken !== undefined) throw broken
    if (isEnded) throw new SessionDbError('conflict', 'This stream has ended.')
    said = foldDelta(said, delta)
    waiting.push(to)
  }

  return {
    id,
    get content() {
      return (stream ?? said).content
    },
    get parts() {
      return (stream ?? said).parts
    },
    append: (delta) => delta !== '' && say({ delta }, (to) => to.append(delta)),
    appendTo: (part, delta) =>
      delta !== '' && say({ delta, part }, (to) => to.appendTo(part, delta)),
    setPart: (part) => say({ delta: '', part }, (to) => to.setPart(part)),
    flush: async () => (await opened).flush(),
    async finish(options) {
      isEnded = true
      return (await opened).finish(options)
    },
    async fail(reason) {
      isEnded = true
      const ready = await opened.catch(() => undefined)
      await ready?.fail(reason)
    },
    pipe: async (chunks) => (await opened).pipe(chunks),
  }
}

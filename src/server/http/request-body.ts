/** Thrown when the client disconnects before its body has arrived. It is not reported: nothing is wrong. */
export class ClientLeftError extends Error {
  override readonly name = 'ClientLeftError'
}

/**
 * Reads a request's body in chunks; nothing when it has none.
 *
 * @throws ClientLeftError when the client disconnects. Each server has its own error for that.
 */
export async function* bodyOf(request: Request): AsyncGenerator<Uint8Array> {
  try {
    yield* request.body ?? []
  } catch (cause) {
    throw new ClientLeftError('The client disconnected while it sent its body.', { cause })
  }
}

import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'

/** A response with its whole body. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Sends a GET over keep-alive connections. */
export interface HttpClient {
  get(url: string): Promise<HttpAnswer>
  delete(url: string): Promise<HttpAnswer>
  /** Closes all connections; pending requests fail. */
  close(): void
}

/**
 * Creates a client with minimal overhead, so that the server is measured.
 *
 * @param options.reusesMemory read bodies into two buffers in turn: one request at a time, and a body is valid until the one after
 * the next. Allocating memory for a large body can take as long as parsing it.
 * @example
 * const client = createHttpClient()
 * const { body } = await client.get(url)
 */
export function createHttpClient({ reusesMemory = false } = {}): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  const readBody = reusesMemory ? createBodyReader() : readFreshBody
  const ask = (method: string, url: string) =>
    new Promise<HttpAnswer>((resolve, reject) => {
      const asked = request(url, { method, agent }, (response) => {
        readBody(response).then(
          (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
          reject,
        )
      })
      asked.on('error', reject)
      asked.end()
    })
  return {
    get: (url) => ask('GET', url),
    delete: (url) => ask('DELETE', url),
    close: () => agent.destroy(),
  }
}

function readFreshBody(response: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('end', () =>
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)),
    )
    response.on('error', reject)
  })
}

/** Reads bodies one after the other, each over the second to last. */
function createBodyReader(): typeof readFreshBody {
  let memory = Buffer.allocUnsafeSlow(64 * 1024)
  let other = Buffer.allocUnsafeSlow(64 * 1024)
  const reserve = (bytes: number) => {
    if (bytes <= memory.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, memory.length * 2))
    memory.copy(grown)
    memory = grown
  }
  return (response) =>
    new Promise((resolve, reject) => {
      ;[memory, other] = [other, memory]
      let length = 0
      response.on('data', (chunk: Buffer) => {
        reserve(length + chunk.length)
        length += chunk.copy(memory, length)
      })
      response.on('end', () => resolve(memory.subarray(0, length)))
      response.on('error', reject)
    })
}

import {
  createSessionStore,
  createShapeProxy,
  createUploadHandler,
  createWriteHandler,
} from '../../../src/server/index.ts'
import { serve } from '../../unit/proxy/serve.ts'

// An app's server with all limits at their defaults. Prints its URL. The header `x-user` is the sign-in.
const [database = '', electricUrl = ''] = process.argv.slice(2)
const onError = () => {}
const authenticate = (request: Request) => {
  const userId = request.headers.get('x-user')
  return userId === null ? null : { tenantId: 'acme', userId }
}
const store = createSessionStore({ database, onError })
store.startWorker({ pollMs: 200 })
const handlers: Record<string, (request: Request) => Promise<Response>> = {
  shapes: createShapeProxy({ electricUrl, authenticate, onError }),
  write: createWriteHandler({ store, authenticate, onError }),
  uploads: createUploadHandler({ store, authenticate, onError }),
  async search(request) {
    const principal = authenticate(request)
    const query = new URL(request.url).searchParams.get('q') ?? ''
    if (principal === null) return new Response(null, { status: 401 })
    return store.searchEvents(principal, { query }).then(
      (hits) => Response.json(hits),
      (error) => new Response(error.code, { status: error.status ?? 500 }),
    )
  },
}
const app = await serve(async (request) => {
  const name = new URL(request.url).pathname.split('/')[2] ?? ''
  return handlers[name]?.(request) ?? new Response(null, { status: 404 })
})
console.log(app.url)

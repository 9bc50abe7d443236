import { createShapeServer } from '../../src/dev/shape-server/index.ts'
import { createShapeProxy } from '../../src/server/proxy/shape-proxy.ts'
import { serve } from '../../test/unit/proxy/serve.ts'
import { serveParent } from './serve-parent.ts'

// An app's shape route: the proxy in front of a shape server, for the benchmark's one user.
const { databaseUrl } = JSON.parse(process.argv[2] ?? '{}') as { databaseUrl: string }
const shapes = await createShapeServer({ database: databaseUrl })
const { url: electricUrl } = await shapes.listen()
const app = await serve(
  createShapeProxy({
    electricUrl,
    authenticate: () => ({ tenantId: 'tenant-1', userId: 'user-1' }),
    limits: false,
  }),
)
serveParent(app.url, async () => {
  await app.close()
  await shapes.close()
})

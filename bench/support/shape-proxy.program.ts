import { serve } from 'srvx'
import { createShapeProxy } from '../../src/server/proxy/node-shape-proxy.ts'
import { proxiedShapes } from './proxied-shapes.ts'
import { serveParent } from './serve-parent.ts'

const { electricUrl } = JSON.parse(process.argv[2] ?? '{}') as { electricUrl: string }
const server = serve({
  port: 0,
  hostname: '127.0.0.1',
  silent: true,
  fetch: createShapeProxy({
    electricUrl,
    shapes: proxiedShapes,
    authenticate: () => ({ tenantId: 'tenant-1', userId: 'user-1' }),
    limits: false,
  }),
})
await server.ready()
serveParent(new URL(server.url ?? '').origin, () => server.close(true))

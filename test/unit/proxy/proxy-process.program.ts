import { createShapeProxy } from '../../../src/server/proxy/node-shape-proxy.ts'
import { serve } from './serve.ts'

// A separate process, because Node reads its trusted certificates at startup.
const [, , electricUrl = ''] = process.argv
const { url } = await serve(
  createShapeProxy({
    electricUrl,
    secret: 'the-secret',
    authenticate: () => ({ tenantId: 'acme', userId: 'ada' }),
    logger: ({ reason }) => void (reason && console.error(reason)),
  }),
)
console.log(url)

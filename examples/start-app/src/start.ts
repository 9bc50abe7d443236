import { createStart } from '@tanstack/react-start'
import { readableBodies, sameOriginWrites } from './server/request-guards'
import { securityHeaders } from './server/security-headers'

/** Middleware for every request to the server. */
export const startInstance = createStart(() => ({
  requestMiddleware: [securityHeaders, sameOriginWrites, readableBodies],
}))

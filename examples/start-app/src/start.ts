import { createStart } from '@tanstack/react-start'
import { readableBodies, sameOriginWrites } from './server/request-guards'

/** Middleware for every request to the server. */
export const startInstance = createStart(() => ({
  requestMiddleware: [sameOriginWrites, readableBodies],
}))

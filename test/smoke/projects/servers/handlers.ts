// src/server/handlers.ts
import { createShapeProxy, createWriteHandler, type Principal } from '@org/session-db/server'
import { store } from './store.ts'

/** Stands for the app's sign-in. */
function authenticate(request: Request): Principal | null {
  const userId = request.headers.get('x-user')
  return userId === null ? null : { tenantId: 'acme', userId }
}

export const serveShape = createShapeProxy({
  electricUrl: process.env.ELECTRIC_URL ?? '',
  secret: process.env.ELECTRIC_SECRET,
  authenticate,
})
export const serveWrites = createWriteHandler({ store, authenticate })

import { createShapeProxy } from '@org/session-db/server'
import { type AppPrincipal, principalOf } from './principal.ts'
import { shapes } from './shapes.ts'

const { ELECTRIC_URL = '', ELECTRIC_SECRET } = process.env

/** The proxy of the entry for servers, which an app with a database imports. */
export const serveShape = createShapeProxy<AppPrincipal>({
  electricUrl: ELECTRIC_URL,
  secret: ELECTRIC_SECRET,
  authenticate: principalOf,
  shapes,
})

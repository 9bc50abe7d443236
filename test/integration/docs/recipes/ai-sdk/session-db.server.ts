import { createSessionStore } from '../../../../../src/server/index.ts'
import { startAppServer, USER_HEADER } from '../../../collections/app-server.ts'
import { finished, modelSaying, said } from '../../model.ts'

/** The app whose store, sign-in and model the recipe's file uses. */
export const app = await startAppServer()
export const store = createSessionStore({ database: app.databaseUrl })
export const principalOf = (request: Request) =>
  app.principal(request.headers.get(USER_HEADER) ?? '')
export const model = modelSaying(
  [...said('It is noon.'), finished('stop')],
  [...said('Yes.'), finished('stop')],
)

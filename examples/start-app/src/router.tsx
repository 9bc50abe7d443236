import { createRouter } from '@tanstack/react-router'
import { ErrorScreen, NotFoundScreen } from './components/screens'
import { routeTree } from './routeTree.gen'

/** TanStack Start calls this once per request on the server and once in the browser. */
export function getRouter() {
  return createRouter({
    routeTree,
    scrollRestoration: true,
    defaultErrorComponent: ErrorScreen,
    defaultNotFoundComponent: NotFoundScreen,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof getRouter>
  }
}

import { createRouter } from '@tanstack/react-router'
import { getGlobalStartContext } from '@tanstack/react-start'
import { ErrorScreen, NotFoundScreen } from './components/screens'
import { routeTree } from './routeTree.gen'

/** TanStack Start calls this once per request on the server and once in the browser. */
export function getRouter() {
  // In the browser there is no context, and the router reads the nonce from the page.
  const nonce = getGlobalStartContext()?.nonce
  return createRouter({
    routeTree,
    ...(nonce !== undefined && { ssr: { nonce } }),
    defaultErrorComponent: ErrorScreen,
    defaultNotFoundComponent: NotFoundScreen,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof getRouter>
  }
}

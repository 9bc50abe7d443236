import { createShapeProxy } from '@org/session-db/proxy'
import { type AppPrincipal, principalOf } from './principal.ts'
import { shapes } from './shapes.ts'

interface Env {
  readonly ELECTRIC_URL: string
  readonly ELECTRIC_SECRET: string
}

let serveShape: ((request: Request) => Promise<Response>) | undefined

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    serveShape ??= createShapeProxy<AppPrincipal>({
      electricUrl: env.ELECTRIC_URL,
      secret: env.ELECTRIC_SECRET,
      authenticate: principalOf,
      shapes,
      limits: { maxConcurrent: 200 },
    })
    return serveShape(request)
  },
}

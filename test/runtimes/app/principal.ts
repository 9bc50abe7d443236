import type { Principal } from '@org/session-db/proxy'

export interface AppPrincipal extends Principal {
  readonly team: string
}

/** Stands in for an app's authentication: `tenant/user/team`. */
export function principalOf(request: Request): AppPrincipal | null {
  const [tenantId, userId, team] = request.headers.get('x-user')?.split('/') ?? []
  return tenantId && userId && team ? { tenantId, userId, team } : null
}

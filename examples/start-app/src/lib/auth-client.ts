import { organizationClient } from 'better-auth/client/plugins'
import { createAuthClient } from 'better-auth/react'

/** Signs in and out and switches organisations, from the browser. */
export const authClient = createAuthClient({ plugins: [organizationClient()] })

export type AuthClient = typeof authClient

/**
 * The authenticated user of a request and its tenant. The app's authentication creates it; it never contains
 * unverified input from the client.
 */
export interface Principal {
  readonly tenantId: string
  readonly userId: string
  /** Further grantees of the principal, such as `team:t1`; see `SessionGrant`. */
  readonly groups?: readonly string[]
}

/**
 * The authenticated user of a request and its tenant. The app's authentication creates it; it never contains
 * unverified input from the client.
 */
export interface Principal {
  readonly tenantId: string
  readonly userId: string
}

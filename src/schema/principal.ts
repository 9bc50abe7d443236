/**
 * Who is asking: the tenant and the user that the app's own authentication vouches for.
 * Never built from anything the client says.
 */
export interface Principal {
  readonly tenantId: string
  readonly userId: string
}

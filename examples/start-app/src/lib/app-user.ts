/** Somebody who is signed in, and for which organisation. */
export interface AppUser {
  readonly id: string
  readonly name: string
  readonly email: string
  /** The organisation that the session is for: the tenant of everything that is read and written. */
  readonly tenantId: string
  readonly tenantName: string
  /** All organisations of this user. */
  readonly organizations: readonly { readonly id: string; readonly name: string }[]
  /** The people of this organisation, by id. */
  readonly members: Readonly<Record<string, string>>
}

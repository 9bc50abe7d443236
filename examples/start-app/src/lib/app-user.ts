/** A signed-in user and the current organisation. */
export interface AppUser {
  readonly id: string
  readonly name: string
  readonly email: string
  /** The session's organisation: the tenant of all reads and writes. */
  readonly tenantId: string
  readonly tenantName: string
  /** All organisations of this user. */
  readonly organizations: readonly { readonly id: string; readonly name: string }[]
  /** The members of this organisation by id. */
  readonly members: Readonly<Record<string, string>>
  /** The teams of this organisation. */
  readonly teams: readonly { readonly id: string; readonly name: string }[]
}

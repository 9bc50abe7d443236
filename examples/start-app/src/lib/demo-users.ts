/** Somebody who can sign in to the demo. A real app keeps these in its own user table. */
export interface DemoUser {
  readonly id: string
  readonly name: string
  readonly tenantId: string
  readonly tenantName: string
}

/** Two tenants: what ann shares, bob sees and eve never does. */
export const demoUsers: readonly DemoUser[] = [
  { id: 'ann', name: 'Ann', tenantId: 'acme', tenantName: 'Acme' },
  { id: 'bob', name: 'Bob', tenantId: 'acme', tenantName: 'Acme' },
  { id: 'eve', name: 'Eve', tenantId: 'globex', tenantName: 'Globex' },
]

/** Finds a demo user by id. */
export function findDemoUser(id: unknown): DemoUser | undefined {
  return demoUsers.find((user) => user.id === id)
}

/** The name of a user of this demo, or the id as it is. */
export function userName(id: string): string {
  return findDemoUser(id)?.name ?? id
}

/** Somebody whom the demo's seed signs up. */
export interface SeededUser {
  readonly id: string
  readonly name: string
  readonly tenantId: string
  readonly tenantName: string
}

/** Two organisations: what Ann shares, Bob sees and Eve never does. */
export const demoUsers: readonly SeededUser[] = [
  { id: 'ann', name: 'Ann', tenantId: 'acme', tenantName: 'Acme' },
  { id: 'bob', name: 'Bob', tenantId: 'acme', tenantName: 'Acme' },
  { id: 'eve', name: 'Eve', tenantId: 'globex', tenantName: 'Globex' },
]

/** The address that a demo user signs in with; nobody ever writes to it. */
export function demoEmail({ id }: Pick<SeededUser, 'id'>): string {
  return `${id}@demo.example`
}

/** Everybody knows it: only a demo seeds these users. */
export const DEMO_PASSWORD = 'demo-password'

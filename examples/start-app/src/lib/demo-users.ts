/** A user that the demo's seed creates. */
export interface SeededUser {
  readonly id: string
  readonly name: string
  readonly tenantId: string
  readonly tenantName: string
}

/** Two organisations: Bob sees what Ann shares, Eve never does. */
export const demoUsers: readonly SeededUser[] = [
  { id: 'ann', name: 'Ann', tenantId: 'acme', tenantName: 'Acme' },
  { id: 'bob', name: 'Bob', tenantId: 'acme', tenantName: 'Acme' },
  { id: 'eve', name: 'Eve', tenantId: 'globex', tenantName: 'Globex' },
]

/** Teams of the demo's organisations. */
export const demoTeams = [
  { id: 'acme-support', name: 'Support', tenantId: 'acme', members: ['bob'] },
] as const

/** The e-mail address of a demo user, which receives no mail. */
export function demoEmail({ id }: Pick<SeededUser, 'id'>): string {
  return `${id}@demo.example`
}

/** Public, so only a demo may seed these users. */
export const DEMO_PASSWORD = 'demo-password'

import type { Rows, Tables } from './tables.ts'
import { childrenOf } from './tables.ts'

type Session = Rows['sessions']

const RANKS = { viewer: 1, member: 2, editor: 3 } as const

/** Returns the columns that the database derives from a session's grants (migrations/0001-access.ts). */
export function derivedAccess(
  tables: Tables,
  session: Session,
): Pick<Session, 'audiences' | 'members' | 'editors'> {
  const ranks = new Map<string, number>([[`user:${session.ownerId}`, 3]])
  const give = (grantee: string, rank: number) =>
    ranks.set(grantee, Math.max(rank, ranks.get(grantee) ?? 0))
  const grants = childrenOf<'sessionGrants'>(tables.sessionGrants, session)
  const isShared = session.visibility === 'tenant'
  for (const { grantee, role } of grants) {
    if (grantee !== 'tenant' || isShared) give(grantee, RANKS[role])
  }
  if (isShared && !grants.some(({ grantee }) => grantee === 'tenant')) give('tenant', 2)
  const from = (least: number) =>
    [...ranks].flatMap(([grantee, rank]) => (rank >= least ? [grantee] : [])).sort()
  return { audiences: from(1), members: from(2), editors: from(3) }
}

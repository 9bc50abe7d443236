import { escapeIdentifier, escapeLiteral } from './escape.ts'
import type { SetupState, TableState } from './read-setup-state.ts'
import type { SetupNames } from './setup-options.ts'

/** What a step is about; also the name of the doctor's check for it. */
export type SetupTopic = 'electric-role' | 'app-role' | 'publication' | 'replica-identity'

/** One statement that is still needed. */
export interface SetupStep {
  readonly topic: SetupTopic
  readonly sql: string
  /** Why, in a few words. */
  readonly why: string
}

/** Passwords of roles that have to be made. */
export interface SetupPasswords {
  readonly electric: string
  readonly app: string
}

/** The statements that bring a database from what it is to what Electric and the app need; none when it is. */
export function planElectricSetup(
  state: SetupState,
  names: SetupNames,
  passwords: SetupPasswords,
): SetupStep[] {
  return [
    ...electricRole(state, names, passwords.electric),
    ...appRole(state, names, passwords.app),
    ...replicaIdentity(state),
    ...publication(state, names),
  ]
}

function electricRole(state: SetupState, names: SetupNames, password: string): SetupStep[] {
  const role = escapeIdentifier(names.electricRole)
  const step = stepsOn('electric-role')
  const { electric } = state
  return [
    ...makeElectricRole(state, role, password),
    step(!state.electricMayConnect && grantConnect(state, role), 'it connects'),
    ...state.schemas
      .filter(({ electricMayUse }) => !electricMayUse)
      .map(({ sqlName }) => step(`GRANT USAGE ON SCHEMA ${sqlName} TO ${role}`, 'it reads tables')),
    step(
      grantOn(
        'SELECT',
        state.replicated.filter(({ electricMaySelect }) => !electricMaySelect),
        role,
      ),
      'it reads what it replicates',
    ),
    step(
      electric !== null && !electric.superuser && revokeSelect(state.server, role),
      'it has no business with what is never replicated',
    ),
  ].flat()
}

function makeElectricRole(state: SetupState, role: string, password: string): SetupStep[] {
  const step = stepsOn('electric-role')
  const { electric, rdsReplication } = state
  const attribute = rdsReplication ? '' : ' REPLICATION'
  const made = step(
    electric === null &&
      `CREATE ROLE ${role} LOGIN${attribute} PASSWORD ${escapeLiteral(password)}`,
    'Electric connects as a role of its own',
  )
  const granted = step(
    rdsReplication && !electric?.rdsMember && `GRANT rds_replication TO ${role}`,
    'on RDS this gives the right to replicate',
  )
  if (electric === null) return [...made, ...granted]
  const lacks = [
    ...(electric.canLogin ? [] : ['LOGIN']),
    ...(electric.replication || electric.superuser || rdsReplication ? [] : ['REPLICATION']),
  ]
  return [
    ...granted,
    ...step(lacks.length > 0 && `ALTER ROLE ${role} ${lacks.join(' ')}`, 'it streams changes'),
  ]
}

function appRole(state: SetupState, names: SetupNames, password: string): SetupStep[] {
  const role = escapeIdentifier(names.appRole)
  const step = stepsOn('app-role')
  const { app } = state
  const excess = app === null || app.superuser ? [] : excessOf(app)
  return [
    step(
      app === null && `CREATE ROLE ${role} LOGIN PASSWORD ${escapeLiteral(password)}`,
      'the app connects as a role that can neither replicate nor change tables',
    ),
    step(app !== null && !app.canLogin && `ALTER ROLE ${role} LOGIN`, 'it connects'),
    step(excess.length > 0 && `ALTER ROLE ${role} ${excess.join(' ')}`, 'the app needs none of it'),
    step(!state.appMayConnect && grantConnect(state, role), 'it connects'),
    ...state.schemas.flatMap(({ sqlName, appMayUse, appMayCreate }) => [
      step(!appMayUse && `GRANT USAGE ON SCHEMA ${sqlName} TO ${role}`, 'it uses tables'),
      step(
        appMayCreate &&
          app?.superuser !== true &&
          `REVOKE CREATE ON SCHEMA ${sqlName} FROM PUBLIC, ${role}`,
        'the app makes no tables',
      ),
    ]),
    step(grantOn('SELECT, INSERT, UPDATE, DELETE', lacking(state), role), 'it reads and writes'),
    step(
      state.migrations.appLacks.includes('SELECT') && grantOn('SELECT', [state.migrations], role),
      'its health check compares versions',
    ),
  ].flat()
}

function excessOf(app: NonNullable<SetupState['app']>): string[] {
  return [
    ...(app.replication ? ['NOREPLICATION'] : []),
    ...(app.createRole ? ['NOCREATEROLE'] : []),
    ...(app.createDatabase ? ['NOCREATEDB'] : []),
  ]
}

function lacking({ replicated, server }: SetupState): TableState[] {
  return [...replicated, ...server].filter(({ appLacks }) => appLacks.length > 0)
}

function replicaIdentity({ replicated }: SetupState): SetupStep[] {
  return replicated
    .filter(({ replicaIdentityFull }) => !replicaIdentityFull)
    .flatMap(({ sqlName }) =>
      stepsOn('replica-identity')(
        `ALTER TABLE ${sqlName} REPLICA IDENTITY FULL`,
        'a row that leaves a shape is told by its old values',
      ),
    )
}

function publication(state: SetupState, names: SetupNames): SetupStep[] {
  const name = escapeIdentifier(names.publication)
  const step = stepsOn('publication')
  const missing = state.replicated.filter(({ published }) => !published)
  const list = missing.map(({ sqlName }) => sqlName).join(', ')
  const found = state.publication
  if (found === null) {
    const all = state.replicated.map(({ sqlName }) => sqlName).join(', ')
    return [
      ...step(
        `CREATE PUBLICATION ${name} FOR TABLE ${all}${generatedColumns(state)}`,
        'what Electric reads from the write-ahead log',
      ),
      ...changeOwner(state, names),
    ]
  }
  return [
    ...step(
      !found.allTables && list !== '' && `ALTER PUBLICATION ${name} ADD TABLE ${list}`,
      'each table that shapes read',
    ),
    ...step(
      !found.publishesAll &&
        `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate')`,
      'a change that is not published never arrives',
    ),
    ...(found.owner === names.electricRole ? [] : changeOwner(state, names)),
  ]
}

/** From Postgres 18 on, full replica identity with unpublished generated columns makes updates fail. */
function generatedColumns({ version, replicated }: SetupState): string {
  const needed = version >= 180_000 && replicated.some(({ storedColumns }) => storedColumns)
  return needed ? ' WITH (publish_generated_columns = stored)' : ''
}

/**
 * Electric looks whether the publication is its own. Who is no superuser may give it away only to a
 * role that may create in the database, and that he may become: both for the moment.
 */
function changeOwner(state: SetupState, names: SetupNames): SetupStep[] {
  const step = stepsOn('publication')
  const role = escapeIdentifier(names.electricRole)
  const database = escapeIdentifier(state.database)
  const { superuser } = state.me
  const lend = !superuser && !state.electricMayCreateInDatabase
  return [
    ...step(
      !superuser && !state.iMaySetElectric && `GRANT ${role} TO CURRENT_USER`,
      'to give it away',
    ),
    ...step(
      lend && `GRANT CREATE ON DATABASE ${database} TO ${role}`,
      'for the next statement only',
    ),
    ...step(
      `ALTER PUBLICATION ${escapeIdentifier(names.publication)} OWNER TO ${role}`,
      'Electric looks whether it is its own',
    ),
    ...step(lend && `REVOKE CREATE ON DATABASE ${database} FROM ${role}`, 'no longer needed'),
  ]
}

function grantConnect({ database }: SetupState, role: string): string {
  return `GRANT CONNECT ON DATABASE ${escapeIdentifier(database)} TO ${role}`
}

function grantOn(privileges: string, tables: readonly TableState[], role: string): string | false {
  if (tables.length === 0) return false
  return `GRANT ${privileges} ON ${tables.map(({ sqlName }) => sqlName).join(', ')} TO ${role}`
}

function revokeSelect(tables: readonly TableState[], role: string): string | false {
  const excess = tables.filter(({ electricMaySelect }) => electricMaySelect)
  if (excess.length === 0) return false
  return `REVOKE ALL ON ${excess.map(({ sqlName }) => sqlName).join(', ')} FROM ${role}`
}

function stepsOn(topic: SetupTopic): (sql: string | false, why: string) => SetupStep[] {
  return (sql, why) => (sql === false ? [] : [{ topic, sql, why }])
}

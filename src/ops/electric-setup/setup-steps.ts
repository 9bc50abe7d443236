import type { SetupNames } from './names.ts'
import type { SetupState, TableState } from './setup-state.ts'

/** One missing statement. */
export interface SetupStep {
  /** The doctor's check for the same part of the setup. */
  readonly topic: 'electric-role' | 'app-role' | 'publication' | 'replica-identity'
  readonly sql: string
  /** The reason, in a few words. */
  readonly why: string
  /** The current role lacks the privilege to run it. */
  readonly needsAdministrator?: true
}

/**
 * Returns the statements that complete a setup, in the order to run them.
 *
 * @param passwords Passwords for roles that have to be created.
 */
export function setupSteps(
  state: SetupState,
  names: SetupNames,
  passwords: { readonly electric: string; readonly app: string },
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
  const unreadable = state.replicated.filter(({ electricMaySelect }) => !electricMaySelect)
  return [
    ...createElectricRole(state, role, password),
    step(
      !state.electricMayConnect && grantConnect(state, role),
      'Electric connects',
      state.me.mayGrantConnect,
    ),
    ...state.schemas
      .filter(({ electricMayUse }) => !electricMayUse)
      .map(({ sqlName, iMayGrantUsage }) =>
        step(
          `GRANT USAGE ON SCHEMA ${sqlName} TO ${role}`,
          'Electric reads its tables',
          iMayGrantUsage,
        ),
      ),
    step(
      grantOn('SELECT', unreadable, role),
      'Electric reads the replicated tables',
      areMine(unreadable),
    ),
    step(
      electric !== null && !electric.superuser && revokeSelect(state.server, role),
      'Electric does not need tables that are not replicated',
      areMine(state.server),
    ),
  ].flat()
}

function createElectricRole(state: SetupState, role: string, password: string): SetupStep[] {
  const step = stepsOn('electric-role')
  const { electric, me, rdsReplication } = state
  const attribute = rdsReplication ? '' : ' REPLICATION'
  const created = step(
    electric === null &&
      `CREATE ROLE ${role} LOGIN${attribute} PASSWORD ${escapeLiteral(password)}`,
    'Electric connects with its own role',
    mayCreateElectric(state),
  )
  const granted = step(
    rdsReplication && !electric?.rdsMember && `GRANT rds_replication TO ${role}`,
    'RDS grants replication through this role',
  )
  if (electric === null) return [...created, ...granted]
  const lacks = [
    ...(electric.canLogin ? [] : ['LOGIN']),
    ...(electric.replication || electric.superuser || rdsReplication ? [] : ['REPLICATION']),
  ]
  const mayAlter = electric.iAdminister && (me.superuser || mayCreateElectric(state))
  return [
    ...granted,
    ...step(
      lacks.length > 0 && `ALTER ROLE ${role} ${lacks.join(' ')}`,
      'Electric streams changes',
      mayAlter,
    ),
  ]
}

/** Until Postgres 15 only superusers create roles with REPLICATION, since 16 roles that have both attributes. */
function mayCreateElectric({ me, version, rdsReplication }: SetupState): boolean {
  if (me.superuser || (rdsReplication && me.createRole)) return true
  return version >= 160_000 && me.createRole && me.replication
}

function appRole(state: SetupState, names: SetupNames, password: string): SetupStep[] {
  const role = escapeIdentifier(names.appRole)
  const step = stepsOn('app-role')
  const { app, me } = state
  const mayCreate = me.superuser || me.createRole
  const mayAlter = me.superuser || (me.createRole && app?.iAdminister === true && !app.replication)
  const excess = app === null || app.superuser ? [] : excessOf(app)
  return [
    step(
      app === null && `CREATE ROLE ${role} LOGIN PASSWORD ${escapeLiteral(password)}`,
      'the app connects with a role that can neither replicate nor change tables',
      mayCreate,
    ),
    step(app !== null && !app.canLogin && `ALTER ROLE ${role} LOGIN`, 'the app connects', mayAlter),
    step(
      excess.length > 0 && `ALTER ROLE ${role} ${excess.join(' ')}`,
      'the app does not need these attributes',
      mayAlter,
    ),
    step(!state.appMayConnect && grantConnect(state, role), 'the app connects', me.mayGrantConnect),
    step(searchPath(state, role), 'the app finds its tables', app === null ? mayCreate : mayAlter),
    ...state.schemas.flatMap(({ sqlName, isMine, iMayGrantUsage, appMayUse, appMayCreate }) => [
      step(
        !appMayUse && `GRANT USAGE ON SCHEMA ${sqlName} TO ${role}`,
        'the app uses its tables',
        iMayGrantUsage,
      ),
      step(
        appMayCreate &&
          app?.superuser !== true &&
          `REVOKE CREATE ON SCHEMA ${sqlName} FROM PUBLIC, ${role}`,
        'the app creates no tables',
        isMine,
      ),
    ]),
    step(
      grantOn('SELECT, INSERT, UPDATE, DELETE', lacking(state), role),
      'the app reads and writes',
      areMine(lacking(state)),
    ),
    step(
      state.migrations.appLacks.includes('SELECT') && grantOn('SELECT', [state.migrations], role),
      'the health check compares migration versions',
      state.migrations.isMine,
    ),
  ].flat()
}

function searchPath(
  { appSearchPath, database, migrations }: SetupState,
  role: string,
): string | false {
  const [first = 'public'] = appSearchPath?.split(',') ?? []
  if (first.trim() === migrations.schema) return false
  return `ALTER ROLE ${role} IN DATABASE ${escapeIdentifier(database)} SET search_path = ${migrations.schema}`
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
    .flatMap(({ sqlName, isMine }) =>
      stepsOn('replica-identity')(
        `ALTER TABLE ${sqlName} REPLICA IDENTITY FULL`,
        'Electric needs the old values of a row to see that it left a shape',
        isMine,
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
        'Electric subscribes to this publication',
        state.me.mayCreate && areMine(state.replicated),
      ),
      ...changeOwner(state, names, state.me.mayCreate && areMine(state.replicated)),
    ]
  }
  return [
    ...step(
      !found.allTables && list !== '' && `ALTER PUBLICATION ${name} ADD TABLE ${list}`,
      'shapes read these tables',
      found.isMine && areMine(missing),
    ),
    ...step(
      !found.publishesAll &&
        `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate')`,
      'Electric misses changes that are not published',
      found.isMine,
    ),
    ...(found.owner === names.electricRole ? [] : changeOwner(state, names, found.isMine)),
  ]
}

/** Since Postgres 18, updates fail with full replica identity unless generated columns are published. */
function generatedColumns({ version, replicated }: SetupState): string {
  const needed = version >= 180_000 && replicated.some(({ storedColumns }) => storedColumns)
  return needed ? ' WITH (publish_generated_columns = stored)' : ''
}

/**
 * Electric requires that it owns the publication. A role that isn't a superuser can only hand it over
 * to a role that it is a member of and that may create objects in the database. Both privileges are
 * granted for this one statement.
 */
function changeOwner(state: SetupState, names: SetupNames, isMine: boolean): SetupStep[] {
  const step = stepsOn('publication')
  const role = escapeIdentifier(names.electricRole)
  const database = escapeIdentifier(state.database)
  const { electric, me } = state
  const lend = !me.superuser && !state.electricMayCreateInDatabase
  // The creator of a role administers it.
  const mayJoin = electric === null ? mayCreateElectric(state) : electric.iAdminister
  return [
    ...step(
      !me.superuser && !state.iMaySetElectric && `GRANT ${role} TO ${escapeIdentifier(me.name)}`,
      'required to hand over the publication',
      mayJoin,
    ),
    ...step(
      lend && `GRANT CREATE ON DATABASE ${database} TO ${role}`,
      'required by the next statement only',
      me.mayGrantCreate,
    ),
    ...step(
      `ALTER PUBLICATION ${escapeIdentifier(names.publication)} OWNER TO ${role}`,
      'Electric requires that it owns the publication',
      isMine && (!lend || me.mayGrantCreate),
    ),
    ...step(
      lend && `REVOKE CREATE ON DATABASE ${database} FROM ${role}`,
      'no longer required',
      me.mayGrantCreate,
    ),
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

type Steps = (sql: string | false, why: string, mayRun?: boolean) => SetupStep[]

function stepsOn(topic: SetupStep['topic']): Steps {
  return (sql, why, mayRun = true) => {
    if (sql === false) return []
    return [{ topic, sql, why, ...(!mayRun && { needsAdministrator: true }) }]
  }
}

function areMine(tables: readonly TableState[]): boolean {
  return tables.every(({ isMine }) => isMine)
}

/** Quotes a name. `pg` has the same function, but is an optional package. */
function escapeIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Quotes a text so that it means the same with any setting of `standard_conforming_strings`. */
function escapeLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return text.includes('\\') ? ` E${quoted}` : quoted
}

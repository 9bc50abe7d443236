import type { ClientBase } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { MIGRATIONS_TABLE, SERVER_TABLES, type SetupNames } from './names.ts'

/** A role's attributes. */
export interface RoleState {
  readonly canLogin: boolean
  readonly replication: boolean
  readonly superuser: boolean
  readonly createRole: boolean
  readonly createDatabase: boolean
  /** The current role may alter it and grant membership in it. */
  readonly iAdminister: boolean
}

/** A table and the privileges that the two roles have on it. */
export interface TableState {
  /** Schema and name, quoted where SQL needs it. */
  readonly sqlName: string
  readonly schema: string
  /** The current role may do what its owner may. */
  readonly isMine: boolean
  readonly replicaIdentityFull: boolean
  readonly published: boolean
  readonly storedColumns: boolean
  readonly electricMaySelect: boolean
  /** Those of SELECT, INSERT, UPDATE and DELETE that the app's role lacks. */
  readonly appLacks: readonly string[]
}

export interface PublicationState {
  readonly owner: string
  readonly isMine: boolean
  readonly publishesAll: boolean
  readonly allTables: boolean
}

/** The current state of a setup, complete or not. */
export interface SetupState {
  /** `server_version_num`: 150018 is 15.18. */
  readonly version: number
  readonly database: string
  /** The current role. */
  readonly me: {
    readonly name: string
    readonly superuser: boolean
    readonly createRole: boolean
    readonly replication: boolean
    /** May create objects in the database. */
    readonly mayCreate: boolean
    readonly mayGrantConnect: boolean
    readonly mayGrantCreate: boolean
  }
  /** RDS and Aurora grant replication through this role instead of the attribute. */
  readonly rdsReplication: boolean
  readonly electric: (RoleState & { readonly rdsMember: boolean }) | null
  readonly app: RoleState | null
  readonly electricMayConnect: boolean
  readonly appMayConnect: boolean
  /** The search_path that the app's role has by its settings. */
  readonly appSearchPath: string | null
  readonly electricMayCreateInDatabase: boolean
  readonly iMaySetElectric: boolean
  readonly publication: PublicationState | null
  readonly replicated: readonly TableState[]
  readonly server: readonly TableState[]
  readonly migrations: TableState
  readonly schemas: readonly SchemaState[]
}

export interface SchemaState {
  readonly sqlName: string
  readonly isMine: boolean
  readonly iMayGrantUsage: boolean
  readonly electricMayUse: boolean
  readonly appMayUse: boolean
  /** A role that does not exist yet may do what PUBLIC may. */
  readonly appMayCreate: boolean
}

/**
 * Reads the current state of a setup from the catalog.
 *
 * @throws SessionDbError `invalid` when a table that shapes read is missing.
 */
export async function readSetupState(client: ClientBase, names: SetupNames): Promise<SetupState> {
  const [replicated, server, migrations] = [
    await readTables(client, names, names.replicated),
    await readTables(client, names, SERVER_TABLES),
    await readTables(client, names, [MIGRATIONS_TABLE]),
  ]
  const all = [...replicated, ...server, ...migrations]
  return {
    ...(await readDatabase(client, names)),
    electric: await readElectricRole(client, names.electricRole),
    app: await readRole(client, names.appRole),
    publication: await readPublication(client, names.publication),
    replicated,
    server,
    migrations: migrations[0] as TableState,
    schemas: await readSchemas(client, names, [...new Set(all.map(({ schema }) => schema))]),
  }
}

type DatabaseState = Pick<
  SetupState,
  | 'version'
  | 'database'
  | 'me'
  | 'rdsReplication'
  | 'electricMayConnect'
  | 'appMayConnect'
  | 'appSearchPath'
  | 'electricMayCreateInDatabase'
  | 'iMaySetElectric'
>

async function readDatabase(client: ClientBase, names: SetupNames): Promise<DatabaseState> {
  const { rows } = await client.query<{ state: DatabaseState }>(
    `SELECT json_build_object(
       'version', current_setting('server_version_num')::int,
       'database', current_database(),
       'me', (SELECT json_build_object('name', current_user, 'superuser', rolsuper,
         'createRole', rolcreaterole, 'replication', rolreplication,
         'mayCreate', has_database_privilege(current_database(), 'CREATE'),
         'mayGrantConnect', has_database_privilege(current_database(), 'CONNECT WITH GRANT OPTION'),
         'mayGrantCreate', has_database_privilege(current_database(), 'CREATE WITH GRANT OPTION'))
         FROM pg_roles WHERE rolname = current_user),
       'rdsReplication', EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication'),
       'electricMayConnect', ${ofRole(1, "has_database_privilege(role.oid, current_database(), 'CONNECT')")},
       'electricMayCreateInDatabase', ${ofRole(1, "has_database_privilege(role.oid, current_database(), 'CREATE')")},
       'iMaySetElectric', ${ofRole(1, `pg_has_role(role.oid, ${MAY_SET_ROLE})`)},
       'appMayConnect', ${ofRole(2, "has_database_privilege(role.oid, current_database(), 'CONNECT')")},
       'appSearchPath', (SELECT option_value FROM pg_roles AS role, pg_db_role_setting AS s,
           pg_options_to_table(setconfig) WHERE role.rolname = $2 AND s.setrole = role.oid
           AND option_name = 'search_path'
           AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
         ORDER BY setdatabase DESC LIMIT 1)
     ) AS state`,
    [names.electricRole, names.appRole],
  )
  return (rows[0] as { state: DatabaseState }).state
}

/** SQL for a privilege of the role named by parameter `n`; false when that role doesn't exist. */
function ofRole(n: number, privilege: string): string {
  return `coalesce((SELECT ${privilege} FROM pg_roles AS role WHERE role.rolname = $${n}), false)`
}

const IS_16 = "current_setting('server_version_num')::int >= 160000"

/** Since Postgres 16 a member may be without the right to SET ROLE, which handing over ownership requires. */
const MAY_SET_ROLE = `CASE WHEN ${IS_16} THEN 'SET' ELSE 'MEMBER' END`

/** Until Postgres 15 CREATEROLE is enough, but for roles with REPLICATION. */
const I_ADMINISTER = `pg_has_role(role.oid, 'MEMBER WITH ADMIN OPTION') OR (NOT ${IS_16}
    AND NOT role.rolsuper AND (SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user))`

const ROLE_STATE = `SELECT rolcanlogin AS "canLogin", rolreplication AS replication,
    rolsuper AS superuser, rolcreaterole AS "createRole", rolcreatedb AS "createDatabase",
    ${I_ADMINISTER} AS "iAdminister"`

async function readRole(client: ClientBase, role: string): Promise<RoleState | null> {
  const { rows } = await client.query<RoleState>(
    `${ROLE_STATE} FROM pg_roles AS role WHERE rolname = $1`,
    [role],
  )
  return rows[0] ?? null
}

async function readElectricRole(client: ClientBase, role: string): Promise<SetupState['electric']> {
  const { rows } = await client.query<RoleState & { rdsMember: boolean }>(
    `${ROLE_STATE}, coalesce((SELECT pg_has_role(role.oid, rds.oid, 'USAGE')
       FROM pg_roles AS rds WHERE rds.rolname = 'rds_replication'), false) AS "rdsMember"
     FROM pg_roles AS role WHERE rolname = $1`,
    [role],
  )
  return rows[0] ?? null
}

async function readPublication(client: ClientBase, name: string): Promise<PublicationState | null> {
  const { rows } = await client.query<PublicationState>(
    `SELECT pg_get_userbyid(pubowner) AS owner, pg_has_role(pubowner, 'USAGE') AS "isMine",
       puballtables AS "allTables",
       pubinsert AND pubupdate AND pubdelete AND pubtruncate AS "publishesAll"
     FROM pg_publication WHERE pubname = $1`,
    [name],
  )
  return rows[0] ?? null
}

async function readTables(
  client: ClientBase,
  names: SetupNames,
  tables: readonly string[],
): Promise<TableState[]> {
  const states: TableState[] = []
  for (const table of tables) states.push(await readTable(client, names, table))
  return states
}

async function readTable(
  client: ClientBase,
  { electricRole, appRole, publication }: SetupNames,
  table: string,
): Promise<TableState> {
  const { rows } = await client.query<TableState>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS "sqlName", quote_ident(n.nspname) AS schema,
       pg_has_role(c.relowner, 'USAGE') AS "isMine",
       c.relreplident = 'f' AS "replicaIdentityFull",
       EXISTS (SELECT FROM pg_publication_tables p WHERE p.pubname = $4
         AND p.schemaname = n.nspname AND p.tablename = c.relname) AS published,
       EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attgenerated = 's')
         AS "storedColumns",
       ${ofRole(2, "has_table_privilege(role.oid, c.oid, 'SELECT')")} AS "electricMaySelect",
       array(SELECT verb FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS verb
         WHERE NOT ${ofRole(3, 'has_table_privilege(role.oid, c.oid, verb)')}) AS "appLacks"
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`,
    [table, electricRole, appRole, publication],
  )
  const [state] = rows
  if (state !== undefined) return state
  throw new SessionDbError(
    'invalid',
    `The database has no table ${table}. Create the library's tables with \`session-db migrate\`, and write your own tables as schema.table.`,
  )
}

async function readSchemas(
  client: ClientBase,
  { electricRole, appRole }: SetupNames,
  schemas: readonly string[],
): Promise<SchemaState[]> {
  const { rows } = await client.query<SchemaState>(
    `SELECT quote_ident(nspname) AS "sqlName", pg_has_role(nspowner, 'USAGE') AS "isMine",
       has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION') AS "iMayGrantUsage",
       ${ofRole(2, "has_schema_privilege(role.oid, n.oid, 'USAGE')")} AS "electricMayUse",
       ${ofRole(3, "has_schema_privilege(role.oid, n.oid, 'USAGE')")} AS "appMayUse",
       coalesce((SELECT has_schema_privilege(role.oid, n.oid, 'CREATE') FROM pg_roles AS role
         WHERE role.rolname = $3), has_schema_privilege('public', n.oid, 'CREATE')) AS "appMayCreate"
     FROM pg_namespace AS n WHERE quote_ident(nspname) = ANY($1) ORDER BY 1`,
    [schemas, electricRole, appRole],
  )
  return rows
}

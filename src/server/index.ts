export { type MigrateOptions, type MigrateResult, migrate } from './migrate.ts'
export { type Migration, migrations } from './migrations/index.ts'

/** The entry `@org/session-db/vite`: fails builds of code that still uses the old JSON files. */
export {
  type LegacySnapshotGuard,
  type LegacySnapshotGuardOptions,
  legacySnapshotGuard,
} from './legacy/guard/vite-plugin.ts'

/** The entry `@org/session-db/vite`: builds fail where code still reads or writes the old JSON files. */
export {
  describeLegacyPaths,
  findLegacyPaths,
  type LegacyPathUse,
  type LegacySnapshotGuard,
  type LegacySnapshotGuardOptions,
  legacySnapshotGuard,
} from './legacy/guard/vite.ts'

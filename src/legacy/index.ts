export { formatImportReport, type ReportColors, type ReportStyle } from './format-import-report.ts'
export {
  type ImportOptions,
  type ImportProgress,
  importLegacySnapshots,
} from './import-legacy-snapshots.ts'
export type {
  ImportReport,
  RecordIssue,
  RowCounts,
  SnapshotFileName,
  SnapshotFileReport,
  StubSessionReport,
  ThreadDifference,
  ThreadReport,
} from './import-report.ts'

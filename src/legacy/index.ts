export type { LegacyStoresOptions } from './adapters/context.ts'
export { createLegacyStores } from './adapters/legacy-stores.ts'
export type { LegacyMessageInput } from './adapters/message-store.ts'
export type {
  LegacyMessageRecord,
  LegacyRecords,
  LegacyThreadRecord,
  LegacyToolEventRecord,
  LegacyUploadRecord,
} from './adapters/records.ts'
export type { LegacyToolEventInput } from './adapters/tool-event-store.ts'
export type { LegacySourceFileInput } from './adapters/upload-store.ts'
export { type ExportOptions, exportData } from './export/export-data.ts'
export {
  type ExportedUpload,
  exportSessionUploads,
  type LegacyUpload,
} from './export/export-session-uploads.ts'
export type { ExportManifest } from './export/manifest.ts'
export {
  type RestoredTable,
  type RestoreOptions,
  type RestoreReport,
  restoreExport,
} from './export/restore-export.ts'
export { type FixedSessions, userSessionId } from './fixed-sessions.ts'
export { type GuardLegacyFilesOptions, guardLegacyFiles } from './guard/guard-legacy-files.ts'
export { formatImportReport, type ReportStyle } from './import/format-import-report.ts'
export { type ImportOptions, importLegacySnapshots } from './import/import-legacy-snapshots.ts'
export type { ImportProgress } from './import/import-options.ts'
export type {
  ImportReport,
  RecordIssue,
  RowCounts,
  SnapshotFileName,
  SnapshotFileReport,
  ThreadReport,
} from './import/import-report.ts'
export {
  type ImportUploadsOptions,
  importSessionUploads,
  type UploadIssue,
  type UploadsReport,
} from './import/import-session-uploads.ts'

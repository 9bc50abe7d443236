export { createLegacyStores, type LegacyStores } from './adapters/create-legacy-stores.ts'
export type { LegacyMessageInput } from './adapters/legacy-chat-store.ts'
export type {
  LegacyMessageRecord,
  LegacyThreadRecord,
  LegacyUploadRecord,
} from './adapters/legacy-store-records.ts'
export type { LegacyStoresOptions } from './adapters/legacy-stores-options.ts'
export { type ExportOptions, exportData } from './export/export-data.ts'
export {
  type ExportedUpload,
  exportSessionUploads,
  type LegacyUpload,
} from './export/export-session-uploads.ts'
export { formatRestoreReport } from './export/format-restore-report.ts'
export {
  type ImportExportOptions,
  importExport,
  type RestoredTable,
  type RestoreReport,
} from './export/import-export.ts'
export { type ExportManifest, readManifest } from './export/manifest.ts'
export { type GuardLegacyFilesOptions, guardLegacyFiles } from './guard/guard-legacy-files.ts'
export {
  formatImportReport,
  type ReportColors,
  type ReportStyle,
} from './import/format-import-report.ts'
export {
  type ImportOptions,
  type ImportProgress,
  importLegacySnapshots,
} from './import/import-legacy-snapshots.ts'
export type {
  ImportReport,
  RecordIssue,
  RowCounts,
  SnapshotFileName,
  SnapshotFileReport,
  StubSessionReport,
  ThreadDifference,
  ThreadReport,
} from './import/import-report.ts'
export {
  type ImportUploadsOptions,
  importSessionUploads,
  type UploadIssue,
  type UploadsReport,
} from './import/import-session-uploads.ts'

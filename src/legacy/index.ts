export { createLegacyStores, type LegacyStores } from './create-legacy-stores.ts'
export { type ExportOptions, exportData } from './export/export-data.ts'
export { formatRestoreReport } from './export/format-restore-report.ts'
export {
  type ImportExportOptions,
  importExport,
  type RestoredTable,
  type RestoreReport,
} from './export/import-export.ts'
export { type ExportManifest, readManifest } from './export/manifest.ts'
export {
  type ExportedUpload,
  exportSessionUploads,
  type LegacyUpload,
} from './export-session-uploads.ts'
export { formatImportReport, type ReportColors, type ReportStyle } from './format-import-report.ts'
export { type GuardLegacyFilesOptions, guardLegacyFiles } from './guard/guard-legacy-files.ts'
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
export {
  type ImportUploadsOptions,
  importSessionUploads,
  type UploadIssue,
  type UploadsReport,
} from './import-session-uploads.ts'
export type { LegacyMessageInput } from './legacy-chat-store.ts'
export type {
  LegacyMessageRecord,
  LegacyThreadRecord,
  LegacyUploadRecord,
} from './legacy-store-records.ts'
export type { LegacyStoresOptions } from './legacy-stores-options.ts'

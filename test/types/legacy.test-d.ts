import {
  createLegacyStores,
  type ExportedUpload,
  type ExportManifest,
  exportData,
  exportSessionUploads,
  formatImportReport,
  formatRestoreReport,
  guardLegacyFiles,
  type ImportReport,
  importLegacySnapshots,
  importSessionUploads,
  type LegacyMessageRecord,
  type LegacyThreadRecord,
  type RestoreReport,
  readManifest,
  restoreExport,
  type SessionStore,
  type UploadsReport,
} from '@org/session-db/server'
import { describeLegacyPaths, findLegacyPaths, legacySnapshotGuard } from '@org/session-db/vite'
import type { Pool } from 'pg'
import { describe, expectTypeOf, test } from 'vitest'

declare const database: Pool
declare const store: SessionStore
const ann = { tenantId: 'acme', userId: 'ann' }
const from = { database, directory: '/app/.data', ...ann }

describe('snapshots', () => {
  test('importLegacySnapshots and formatImportReport', () => {
    expectTypeOf(importLegacySnapshots(from)).resolves.toEqualTypeOf<ImportReport>()
    expectTypeOf(formatImportReport).parameter(0).toEqualTypeOf<ImportReport>()
    expectTypeOf(formatImportReport).returns.toEqualTypeOf<string>()
    // @ts-expect-error whose are they?
    importLegacySnapshots({ database, directory: '/app/.data', tenantId: 'acme' })
    // @ts-expect-error no such option
    importLegacySnapshots({ ...from, force: true })
  })

  test('importSessionUploads and exportSessionUploads', () => {
    expectTypeOf(importSessionUploads(from)).resolves.toEqualTypeOf<UploadsReport>()
    const uploads = [{ id: 'u1', originalName: 'log.jsonl', content: '' }]
    expectTypeOf(exportSessionUploads(uploads, { directory: '/tmp' })).toEqualTypeOf<
      AsyncGenerator<ExportedUpload>
    >()
    // @ts-expect-error where to?
    exportSessionUploads(uploads)
    // @ts-expect-error no such visibility
    importSessionUploads({ ...from, visibility: 'public' })
  })
})

test('exportData, restoreExport, readManifest and formatRestoreReport', () => {
  const place = { database, directory: '/tmp/export', tenantId: 'acme' }
  expectTypeOf(exportData(place)).resolves.toEqualTypeOf<ExportManifest>()
  expectTypeOf(restoreExport(place)).resolves.toEqualTypeOf<RestoreReport>()
  expectTypeOf(readManifest('/tmp/export')).resolves.toEqualTypeOf<ExportManifest | undefined>()
  expectTypeOf(formatRestoreReport).parameter(0).toEqualTypeOf<RestoreReport>()
  // @ts-expect-error whose data?
  exportData({ database, directory: '/tmp/export' })
  // @ts-expect-error no such option
  restoreExport({ ...place, overwrite: true })
})

test('createLegacyStores', () => {
  const stores = createLegacyStores({ database, store, principal: ann })
  expectTypeOf(createLegacyStores).returns.toHaveProperty('listChatThreads')
  expectTypeOf(stores.listChatThreads('s1')).resolves.toEqualTypeOf<LegacyThreadRecord[]>()
  expectTypeOf(stores.appendChatMessage).returns.resolves.toEqualTypeOf<LegacyMessageRecord>()
  stores.updateChatMessage('m1', (draft) => {
    draft.content = 'Better'
    // @ts-expect-error a message never changes its writer
    draft.role = 'user'
  })
  // @ts-expect-error no such mode
  stores.listChatThreads('s1', 'private')
  // @ts-expect-error for whom?
  createLegacyStores({ database, store })
})

test('guardLegacyFiles', () => {
  expectTypeOf(guardLegacyFiles({ refuse: true })).toEqualTypeOf<() => void>()
  // @ts-expect-error no such option
  guardLegacyFiles({ throw: true })
})

describe('the guard in the build', () => {
  test('legacySnapshotGuard', () => {
    expectTypeOf(legacySnapshotGuard({ allow: [/scripts/] })).toHaveProperty('name')
    // @ts-expect-error a list
    legacySnapshotGuard({ allow: 'scripts' })
  })

  test('findLegacyPaths and describeLegacyPaths', () => {
    const uses = findLegacyPaths([{ file: 'a.ts', code: '' }])
    expectTypeOf(findLegacyPaths([])[0]?.line).toEqualTypeOf<number | undefined>()
    expectTypeOf(describeLegacyPaths(uses)).toEqualTypeOf<string>()
    // @ts-expect-error the code, not only the file
    findLegacyPaths([{ file: 'a.ts' }])
    // @ts-expect-error what was found, not the code
    describeLegacyPaths('a.ts')
  })
})

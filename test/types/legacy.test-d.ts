import {
  createLegacyStores,
  type ExportedUpload,
  type ExportManifest,
  exportData,
  exportSessionUploads,
  formatImportReport,
  guardLegacyFiles,
  type ImportReport,
  importLegacySnapshots,
  importSessionUploads,
  type LegacyMessageRecord,
  type LegacyThreadRecord,
  type LegacyToolEventRecord,
  type RestoreReport,
  restoreExport,
  type SessionStore,
  type UploadsReport,
} from '@org/session-db/server'
import { debugPackage, legacySnapshotGuard } from '@org/session-db/vite'
import type { Pool } from 'pg'
import { defineConfig } from 'vite'
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
    // @ts-expect-error userId is missing
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
    // @ts-expect-error directory is missing
    exportSessionUploads(uploads)
    // @ts-expect-error no such visibility
    importSessionUploads({ ...from, visibility: 'public' })
  })
})

test('exportData and restoreExport', () => {
  const place = { database, directory: '/tmp/export', tenantId: 'acme' }
  expectTypeOf(exportData(place)).resolves.toEqualTypeOf<ExportManifest>()
  expectTypeOf(restoreExport(place)).resolves.toEqualTypeOf<RestoreReport>()
  // @ts-expect-error tenantId is missing
  exportData({ database, directory: '/tmp/export' })
  // @ts-expect-error no such option
  restoreExport({ ...place, overwrite: true })
})

describe('createLegacyStores', () => {
  test('returns the old records', () => {
    const stores = createLegacyStores({ store, principal: ann })
    expectTypeOf(createLegacyStores({ store, principal: async () => ann })).toEqualTypeOf(stores)
    expectTypeOf(createLegacyStores).returns.toHaveProperty('listChatThreads')
    expectTypeOf(stores.listChatThreads('s1')).resolves.toEqualTypeOf<LegacyThreadRecord[]>()
    expectTypeOf(stores.appendChatMessage).returns.resolves.toEqualTypeOf<LegacyMessageRecord>()
    expectTypeOf(stores.listChatToolEvents('s1')).resolves.toEqualTypeOf<LegacyToolEventRecord[]>()
    expectTypeOf(stores.getChatThreadById('t1')).resolves.toEqualTypeOf<LegacyThreadRecord | null>()
    stores.updateChatMessage('m1', (draft) => {
      draft.content = 'Better'
    })
    // @ts-expect-error no such mode
    stores.listChatThreads('s1', 'private')
    // @ts-expect-error principal is missing
    createLegacyStores({ store })
  })

  test("returns the app's own records", () => {
    interface Evidence {
      path?: string
      severity?: 'low' | 'high'
    }
    interface AppMessage {
      id: string
      content: string
      role: 'user' | 'assistant' | 'system'
      evidence?: Evidence[]
      updatedAt: string
    }
    const stores = createLegacyStores<{ message: AppMessage }>({
      ...{ store, principal: ann, fixedSessions: { 'session-default': 'user' } },
    })
    const evidence: Evidence[] = [{ path: 'a.ts' }]
    const message = { sessionId: 's1', mode: 'session', role: 'user', content: 'x' } as const
    expectTypeOf(
      stores.appendChatMessage({ ...message, evidence, clientMessageId: undefined }),
    ).resolves.toEqualTypeOf<AppMessage>()
    expectTypeOf(stores.listChatThreads('s1')).resolves.toEqualTypeOf<LegacyThreadRecord[]>()
    stores.updateChatMessage('m1', (draft) => {
      draft.evidence = evidence
    })
    // @ts-expect-error no such scope
    createLegacyStores({ store, principal: ann, fixedSessions: { x: 'world' } })
  })
})

test('guardLegacyFiles', () => {
  expectTypeOf(guardLegacyFiles({ refuse: true })).toEqualTypeOf<() => void>()
  // @ts-expect-error no such option
  guardLegacyFiles({ throw: true })
})

test('debugPackage', () => {
  expectTypeOf(debugPackage()).toHaveProperty('config')
  defineConfig({ plugins: [debugPackage()] })
  // @ts-expect-error it has no options
  debugPackage({ alias: 'debug' })
})

test('legacySnapshotGuard', () => {
  expectTypeOf(legacySnapshotGuard({ allow: [/scripts/] })).toHaveProperty('name')
  // @ts-expect-error must be a list
  legacySnapshotGuard({ allow: 'scripts' })
})

export type {
  ChatMessageRow,
  ChatThreadRow,
  ColumnDefinition,
  ColumnMap,
  Principal,
  SessionRow,
  TimelineEventRow,
} from '../schema/index.ts'
export type { AppRow, AppTable, AppTables } from './app-tables.ts'
export { createMemorySessionStore } from './memory-session-store.ts'
export { createMemoryWriteAdapter, type MemoryWriteAdapterOptions } from './memory-write-adapter.ts'
export type { ShapeMock, ShapeMockOptions, ShapeName } from './shape-mock.ts'
export { createShapeMock, defaultPrincipal } from './shape-mock.ts'
export type { RowChanges, RowId, RowInput, RowInputs, Rows } from './tables.ts'

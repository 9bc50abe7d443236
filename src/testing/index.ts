export type {
  ChatMessageRow,
  ChatThreadRow,
  ColumnDefinition,
  ColumnMap,
  Principal,
  SessionRow,
  TimelineEventRow,
} from '../schema/index.ts'
export type { AppRow, AppTable, AppTables } from './database/app-tables.ts'
export { createMemoryWriteAdapter, type MemoryWriteAdapterOptions } from './memory-write-adapter.ts'
export type { RowChanges, RowId, RowInput, RowInputs, Rows } from './rows.ts'
export {
  createShapeMock,
  defaultPrincipal,
  type ShapeMock,
  type ShapeMockOptions,
  type ShapeName,
} from './shape-mock.ts'

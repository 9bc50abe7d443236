export type {
  ChatMessageRow,
  ChatThreadRow,
  Principal,
  SessionRow,
  TimelineEventRow,
} from '../schema/index.ts'
export { createMemoryWriteAdapter, type MemoryWriteAdapterOptions } from './memory-write-adapter.ts'
export type { RowChanges, RowId, RowInput, RowInputs, Rows } from './rows.ts'
export {
  createShapeMock,
  defaultPrincipal,
  type ShapeMock,
  type ShapeMockOptions,
  type ShapeName,
} from './shape-mock.ts'

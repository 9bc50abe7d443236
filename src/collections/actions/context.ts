import { SessionDbError } from '../../errors.ts'
import type { Sources } from '../sources.ts'
import type { UploadRoute } from '../upload/upload-requests.ts'
import type { CommitContext } from './commit-batch.ts'

/** The dependencies of functions over `createSessionCollections`, such as `streamMessage`. */
export interface FunctionContext extends CommitContext {
  readonly uploads: UploadRoute
  readonly sources: Sources
}

/** The collections of `createSessionCollections`. */
export interface WithContext {
  readonly actions: object
}

const contexts = new WeakMap<object, FunctionContext>()

/** Registers the context of one `createSessionCollections` for `contextOf`. */
export function registerContext({ actions }: WithContext, context: FunctionContext): void {
  contexts.set(actions, context)
}

/**
 * Returns what `createSessionCollections` registered.
 *
 * @throws SessionDbError `invalid` for any other object
 */
export function contextOf({ actions }: WithContext): FunctionContext {
  const context = contexts.get(actions)
  if (context !== undefined) return context
  throw new SessionDbError(
    'invalid',
    'Pass the collections that createSessionCollections returned.',
  )
}

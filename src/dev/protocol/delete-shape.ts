import type { ProtocolAnswer } from './http-message.ts'
import { given, parseShapeParams } from './request-params.ts'
import { type AnswerContext, deletedResponse, errorResponse, invalidResponse } from './responses.ts'
import type { ShapeStore, StoredShape } from './shape-store.ts'
import type { ShapeDefinition, ShapeSource } from './source.ts'

const otherShape =
  'The specified shape definition and handle do not match. Please ensure the shape definition is ' +
  'correct or omit the shape handle from the request to obtain a new one.'

/**
 * Answers a DELETE: a shape is named by its definition, by its handle, or by both where they fit.
 *
 * @example
 * return deleteShape(source, store, url.searchParams, context)
 */
export async function deleteShape<Definition extends ShapeDefinition, Subset>(
  source: ShapeSource<Definition, Subset>,
  store: ShapeStore<Definition>,
  query: URLSearchParams,
  context: AnswerContext,
): Promise<ProtocolAnswer> {
  const handle = given(query, 'handle')
  let shape: StoredShape<Definition> | undefined
  if (given(query, 'table') === undefined) {
    if (handle === undefined) {
      const errors = { handle: ["can't be blank when shape definition is missing"] }
      return invalidResponse(context, errors)
    }
    shape = store.byHandle(handle)
  } else {
    const params = parseShapeParams(query)
    if ('errors' in params) return invalidResponse(context, params.errors)
    const defined = await source.define(params.value)
    if ('errors' in defined) return invalidResponse(context, defined.errors)
    shape = store.byKey(defined.definition.key)
    if (shape && handle !== undefined && shape.log.handle !== handle) {
      return errorResponse(context, 400, { message: otherShape })
    }
  }
  if (!shape) return errorResponse(context, 404, { message: 'No existing shape found' })
  store.remove(shape.log.handle)
  return deletedResponse(context)
}

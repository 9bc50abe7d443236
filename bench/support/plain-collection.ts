import { type ShapeStreamOptions, snakeCamelMapper } from '@electric-sql/client'
import { BasicIndex, createCollection } from '@tanstack/db'
import { electricCollectionOptions } from '@tanstack/electric-db-collection'

let created = 0

/** Creates the collection of a shape as an app without this library would: the reference. */
export function plainCollection(fetchClient: typeof fetch, shape: string) {
  const parser = { timestamptz: (text: string) => new Date(text), int8: Number }
  return createCollection(
    electricCollectionOptions<Record<string, unknown> & { id: string }>({
      id: `plain-${++created}`,
      getKey: (row) => row.id,
      autoIndex: 'eager',
      defaultIndexType: BasicIndex,
      onInsert: () => new Promise(() => {}),
      shapeOptions: {
        url: `http://app.test/api/shapes/${shape}`,
        fetchClient,
        columnMapper: snakeCamelMapper(),
        parser: parser as unknown as NonNullable<ShapeStreamOptions['parser']>,
        warnOnHttp: false,
      },
    }),
  )
}

import type * as z from 'zod/mini'
import { SessionDbError } from '../errors.ts'
import type { RowOf } from '../schema/columns.ts'
import { validate } from '../schema/validate.ts'
import type { AnyShape, ShapeRegistry } from '../shapes/define-shape.ts'
import type { sessionShapes } from '../shapes/session-shapes.ts'
import { createScopeRegistry } from './scope-registry.ts'
import {
  createSyncedCollection,
  type RowCollection,
  type StreamOptions,
  type SyncedCollection,
} from './sync/synced-collection.ts'

/** Shapes whose rows a browser can hold, whatever principal they are for. */
export type AppShapes = ShapeRegistry<never>

/** The names of the app's own shapes; the library's own have collections of their own. */
export type AppShapeName<Shapes extends AppShapes> = Exclude<
  keyof Shapes & string,
  keyof typeof sessionShapes
>

/** What a shape is asked for by: nothing may be given where it has no parameters. */
export type AppShapeParams<Shape extends AnyShape<never>> =
  Record<string, never> extends z.input<Shape['params']>
    ? [params?: z.input<Shape['params']>]
    : [params: z.input<Shape['params']>]

/** The rows of a shape as a browser holds them. */
export type AppShapeRow<Shape extends AnyShape<never>> = RowOf<Shape['columns']>

/** The live collection of an app's own shape. */
export type GetAppShape<Shapes extends AppShapes> = <Name extends AppShapeName<Shapes>>(
  name: Name,
  ...params: AppShapeParams<Shapes[Name]>
) => RowCollection<AppShapeRow<Shapes[Name]>>

/** A shape's collection, as a scope of its own. */
interface AppScope {
  readonly source: SyncedCollection<object>
}

/** Collections of the app's own shapes: the same one for the same name and parameters. */
export interface AppShapeSources {
  get(name: string, params: Readonly<Record<string, unknown>>): AppScope
}

/** Creates the collections of the app's own shapes, each when it is first asked for. */
export function createAppShapes(
  shapes: AppShapes,
  prefix: string,
  options: StreamOptions,
): AppShapeSources {
  const scopes = createScopeRegistry<AppScope>((id, onLiveChange) => {
    const [name, params] = JSON.parse(id) as [string, Record<string, string>]
    const { columns, key } = shapeNamed(shapes, name)
    const collectionId = `${prefix}/${id}`
    return {
      source: createSyncedCollection<object>(
        { collectionId, shape: name, params, columns, key, onLiveChange },
        options,
      ),
    }
  })
  return {
    get(name, given) {
      const parsed = validate(shapeNamed(shapes, name).params, given)
      if (!parsed.success) {
        const issue = parsed.error.issues[0]
        const where = [name, ...(issue?.path ?? [])].join(' ')
        throw new SessionDbError('invalid', `${where}: ${issue?.message ?? 'is not valid'}`)
      }
      const params = Object.entries(given).filter(([, value]) => value !== undefined)
      const sorted = params.sort(([one], [other]) => (one < other ? -1 : 1))
      return scopes.get(JSON.stringify([name, Object.fromEntries(sorted)]))
    },
  }
}

function shapeNamed(shapes: AppShapes, name: string): AnyShape<never> {
  const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined
  if (shape !== undefined) return shape
  const known = Object.keys(shapes).join(', ') || 'none'
  throw new SessionDbError(
    'invalid',
    `There is no shape '${name}' (there are: ${known}). Give it to createSessionCollections in shapes.`,
  )
}

import type * as z from 'zod/mini'
import { SessionDbError } from '../errors.ts'
import type { RowOf } from '../schema/columns.ts'
import { validate } from '../schema/validate.ts'
import type { AnyShape, ShapeRegistry } from '../shapes/define-shape.ts'
import type { sessionShapes } from '../shapes/session-shapes.ts'
import { createScopeRegistry } from './scope-registry.ts'
import type { StreamOptions } from './sync/stream-options.ts'
import {
  createSyncedCollection,
  type MutableOptions,
  type RowCollection,
  type SyncedCollection,
} from './sync/synced-collection.ts'

/** A registry of shapes for any principal, as a browser uses it. */
export type AppShapes = ShapeRegistry<never>

/** The names of the app's own shapes; the library's shapes have collections already. */
export type AppShapeName<Shapes extends AppShapes> = Exclude<
  keyof Shapes & string,
  keyof typeof sessionShapes
>

/** The parameters of a shape, optional if it needs none. */
export type AppShapeParams<Shape extends AnyShape<never>> =
  Record<string, never> extends z.input<Shape['params']>
    ? [params?: z.input<Shape['params']>]
    : [params: z.input<Shape['params']>]

/** A row of a shape as a browser holds it. */
export type AppShapeRow<Shape extends AnyShape<never>> = RowOf<Shape['columns']>

/** Returns the live collection of an app's own shape. */
export type GetAppShape<Shapes extends AppShapes> = <Name extends AppShapeName<Shapes>>(
  name: Name,
  ...params: AppShapeParams<Shapes[Name]>
) => RowCollection<AppShapeRow<Shapes[Name]>, AppShapeRow<Shapes[Name]>>

/** The scope of a single collection. */
interface AppScope {
  readonly source: SyncedCollection<object>
}

/** Collections of the app's own shapes: the same one for the same name and parameters. */
export interface AppShapeSources {
  get(name: string, params: Readonly<Record<string, unknown>>): AppScope
}

/** Creates the collections of the app's own shapes, each when it is first requested. */
export function createAppShapes(
  shapes: AppShapes,
  prefix: string,
  options: StreamOptions,
  mutable: (name: string) => MutableOptions,
): AppShapeSources {
  const scopes = createScopeRegistry<AppScope>((id, onLiveChange) => {
    const [name, params] = JSON.parse(id) as [string, Record<string, string>]
    const { columns, key } = shapeNamed(shapes, name)
    const collectionId = `${prefix}/${id}`
    return {
      source: createSyncedCollection<object>(
        { collectionId, shape: name, params, columns, key, onLiveChange },
        options,
        mutable(name),
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
    `There is no shape '${name}' (there are: ${known}). Pass it to createSessionCollections in shapes.`,
  )
}

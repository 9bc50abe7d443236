import { fc } from '../../support/property.ts'
import type { AppPrincipal } from './app-shapes.ts'
import { noise, parameter, principal, shapeName, someId } from './requests.ts'

/** One poll of a batch: honest, with forbidden extras, or malformed. */
export type Entry =
  | {
      readonly kind: 'poll'
      readonly shape: string
      readonly id: string
      readonly noise: string
      /** Owner of the place it continues from: the principal itself or another. */
      readonly stolen: number | undefined
    }
  | { readonly kind: 'raw'; readonly value: unknown }

/** A batch of one principal. */
export interface BatchAttempt {
  readonly who: AppPrincipal
  readonly entries: readonly Entry[]
}

const fitting = shapeName.chain((shape) =>
  fc.record({ shape: fc.constant(shape), id: idFor(shape) }),
)

/** Mostly an id with rows in some tenant. */
function idFor(shape: string): fc.Arbitrary<string> {
  const own = parameter(shape, '')
  const [of, count] = own.startsWith('threadId')
    ? (['th-s', 4] as const)
    : own.startsWith('folderId')
      ? (['f', 1] as const)
      : (['s', 4] as const)
  const fits = fc.integer({ min: of === 'f' ? 0 : 1, max: count }).map((n) => `${of}${n}`)
  return fc.oneof({ weight: 6, arbitrary: fits }, { weight: 1, arbitrary: someId })
}

const poll = fc
  .record({
    place: fitting,
    noise: fc.oneof({ weight: 3, arbitrary: fc.constant('') }, { weight: 1, arbitrary: noise }),
    stolen: fc.option(fc.nat(), { freq: 3 }),
  })
  .map(
    ({ place, noise, stolen }): Entry => ({
      kind: 'poll',
      ...place,
      noise,
      stolen: stolen ?? undefined,
    }),
  )

const live = 'live=true&offset=0_0&handle=1'
const raw = fc
  .oneof(
    fc.constantFrom<unknown>(
      null,
      [],
      {},
      'sessions',
      { shape: '../sessions', query: live },
      { shape: 'sessions?table=chat_messages', query: live },
      { shape: 'sessions', query: `${live}#&live=false` },
      { shape: 'sessions', query: live, principal: { tenantId: 't2', userId: 'ann' } },
      { shape: 'sessions', query: live, headers: { 'x-user': 't2/ann/admin' } },
      { shape: ['sessions'], query: live },
    ),
    fc.record({ shape: shapeName, query: fc.string({ unit: 'binary' }) }),
    fc.record({ shape: fc.string(), query: fc.constant(live) }),
    fc.jsonValue(),
  )
  .map((value): Entry => ({ kind: 'raw', value }))

const batch: fc.Arbitrary<BatchAttempt> = fc.record({
  who: principal,
  entries: fc.oneof(
    { weight: 6, arbitrary: fc.array(poll, { minLength: 1, maxLength: 6 }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.array(poll, { maxLength: 3 }), raw)
        .map(([polls, one]) => [...polls, one]),
    },
  ),
})

/** Concurrent batches. */
export const batches = fc.array(batch, { minLength: 1, maxLength: 3 })

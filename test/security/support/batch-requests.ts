import { fc } from '../../support/property.ts'
import type { AppPrincipal } from './app-shapes.ts'
import { noise, place, principal, shapeName } from './requests.ts'

/** One poll of a batch: honest, with forbidden extras, or malformed. */
export type Entry =
  | {
      readonly kind: 'poll'
      readonly shape: string
      readonly id: string
      readonly audience: string | undefined
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

const poll = fc
  .record({
    place,
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

const entries: fc.Arbitrary<readonly Entry[]> = fc.oneof(
  { weight: 6, arbitrary: fc.array(poll, { minLength: 1, maxLength: 6 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.array(poll, { maxLength: 3 }), raw)
      .map(([polls, one]) => [...polls, one]),
  },
)
const batch: fc.Arbitrary<BatchAttempt> = fc.record({ who: principal, entries })

/** Concurrent batches. Principals who ask for the same show what they share and should not. */
export const batches: fc.Arbitrary<readonly BatchAttempt[]> = fc.oneof(
  fc.array(batch, { minLength: 1, maxLength: 3 }),
  fc
    .tuple(fc.array(principal, { minLength: 2, maxLength: 3 }), entries)
    .map(([people, entries]) => people.map((who) => ({ who, entries }))),
)

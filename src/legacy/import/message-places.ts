import type { ClientBase } from 'pg'

/** So many messages, by their places in all files together, are looked up at once. */
const STRETCH = 16_384
const BYTES_PER_PLACE = 16

/** A thread that gets messages. */
export interface TargetThread {
  readonly id: string
  readonly sessionId: string
}

/** Where the messages of one stretch of the files go; thread 0 for those that are not to be written. */
export interface StretchPlaces {
  readonly stretch: number
  readonly threads: Int32Array
  readonly positions: Float64Array
}

/** The stretch of the message at this place in all files together, and its place there. */
export function stretchOf(n: number): { readonly stretch: number; readonly at: number } {
  return { stretch: Math.floor(n / STRETCH), at: n % STRETCH }
}

/**
 * Packs what was decided about the messages that are to be written, a stretch of the files to a row:
 * it is taken in much faster than a row for each.
 *
 * @returns the threads they go to, by their numbers.
 */
export async function packPlaces(client: ClientBase): Promise<ReadonlyMap<number, TargetThread>> {
  await client.query(`
    CREATE TEMP TABLE legacy_stretches ON COMMIT DROP AS
    SELECT p.n / ${STRETCH} AS stretch,
      string_agg(int4send(p.n % ${STRETCH}) || int4send(a.number) || int8send(p.position), ''
        ORDER BY p.n) AS places
    FROM legacy_placed p JOIN legacy_added a ON a.thread_id = p.thread_id
    WHERE p.position IS NOT NULL GROUP BY 1;
    CREATE INDEX ON legacy_stretches (stretch)`)
  const { rows } = await client.query<TargetThread & { number: number }>(
    `SELECT a.number, e.id, e.session_id AS "sessionId"
     FROM legacy_added a JOIN legacy_expected e ON e.id = a.thread_id`,
  )
  return new Map(rows.map(({ number, ...thread }) => [number, thread]))
}

/** Reads one stretch of what `packPlaces` has packed. */
export async function readPlaces(client: ClientBase, stretch: number): Promise<StretchPlaces> {
  const { rows } = await client.query<{ places: Buffer }>(
    'SELECT places FROM legacy_stretches WHERE stretch = $1',
    [stretch],
  )
  const packed = rows[0]?.places ?? Buffer.alloc(0)
  const threads = new Int32Array(STRETCH)
  const positions = new Float64Array(STRETCH)
  for (let offset = 0; offset < packed.length; offset += BYTES_PER_PLACE) {
    const at = packed.readInt32BE(offset)
    threads[at] = packed.readInt32BE(offset + 4)
    positions[at] = packed.readUInt32BE(offset + 8) * 2 ** 32 + packed.readUInt32BE(offset + 12)
  }
  return { stretch, threads, positions }
}

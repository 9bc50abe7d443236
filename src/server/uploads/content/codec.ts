import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { SessionDbError } from '../../../writes/errors.ts'

export type Codec = 'none' | 'gzip' | 'zstd'

/** Compressed bytes, and how they were compressed. */
export interface Compressed {
  readonly codec: Codec
  readonly data: Uint8Array
}

type Transform = (data: Uint8Array) => Promise<Uint8Array>

const gzip: Transform = promisify(zlib.gzip)
const gunzip: Transform = promisify(zlib.gunzip)
// Node has zstd from 22.15 on; what is stored with gzip stays readable for all.
const zstd: Transform | undefined = zlib.zstdCompress && promisify(zlib.zstdCompress)
const unzstd: Transform | undefined = zlib.zstdDecompress && promisify(zlib.zstdDecompress)

/** Compresses with zstd, else gzip; what does not get smaller stays as it is. */
export async function compress(
  data: Uint8Array,
  codec: 'gzip' | 'zstd' = zstd === undefined ? 'gzip' : 'zstd',
): Promise<Compressed> {
  const compressed = await (codec === 'zstd' && zstd !== undefined ? zstd(data) : gzip(data))
  return compressed.byteLength < data.byteLength
    ? { codec, data: compressed }
    : { codec: 'none', data }
}

/**
 * The bytes that `compress` was given.
 *
 * @throws SessionDbError `unavailable` for zstd on a Node that has none.
 */
export async function decompress({ codec, data }: Compressed): Promise<Uint8Array> {
  if (codec === 'none') return data
  if (codec === 'gzip') return gunzip(data)
  if (unzstd !== undefined) return unzstd(data)
  throw new SessionDbError(
    'unavailable',
    'This content is compressed with zstd, which Node has from 22.15 on. Upgrade Node here.',
  )
}

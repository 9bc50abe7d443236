import { SessionDbError } from '../../errors.ts'
import type { PendingWrite } from './commit-batch.ts'

/**
 * Waits until the server has stored a write, also where the stream that shows it is late.
 *
 * @param options.orElse the code of a failure that is no failure to the caller
 */
export async function stored(
  write: PendingWrite,
  { orElse }: { readonly orElse?: SessionDbError['code'] } = {},
): Promise<void> {
  try {
    await write.committed
  } catch (error) {
    const code = error instanceof SessionDbError ? error.code : undefined
    if (code === undefined || (code !== 'sync_timeout' && code !== orElse)) throw error
  }
}

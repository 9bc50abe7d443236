import type { PageMemory } from './page-memory.ts'

/** The bytes of a page, which stay as they are until the loan has ended. */
export interface PageLoan {
  readonly bytes: Uint8Array<ArrayBuffer>
  end(): void
}

/** The finished pages of a snapshot. */
export interface SnapshotPages {
  readonly count: number
  add(page: Uint8Array<ArrayBuffer>): void
  /** The page as the body of an answer; undefined where it is not there, or not any more. */
  lend(index: number): PageLoan | undefined
  /** Lends no more; once the last loan has ended, the memory is used again. */
  retire(): void
}

/**
 * Creates an empty list of pages. A loan that never ends costs nothing but the second use of the memory.
 *
 * @param memory - gets the memory of the pages back.
 * @example
 * const pages = createSnapshotPages(memory)
 * pages.add(chunk.close())
 * const loan = pages.lend(0)
 */
export function createSnapshotPages(memory: PageMemory): SnapshotPages {
  const pages: Uint8Array<ArrayBuffer>[] = []
  let loans = 0
  let retired = false

  function putBackUnused(): void {
    if (!retired || loans > 0) return
    for (const page of pages.splice(0)) memory.putBack(page.buffer)
  }

  return {
    get count() {
      return pages.length
    },
    add(page) {
      pages.push(page)
      putBackUnused()
    },
    lend(index) {
      const bytes = retired ? undefined : pages[index]
      if (!bytes) return undefined
      loans += 1
      let ended = false
      return {
        bytes,
        end() {
          if (ended) return
          ended = true
          loans -= 1
          putBackUnused()
        },
      }
    },
    retire() {
      retired = true
      putBackUnused()
    },
  }
}

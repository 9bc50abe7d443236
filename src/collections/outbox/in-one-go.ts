/**
 * Does what is asked for in one turn together. Where that fails, each is tried by itself: one that
 * is too large does not take along the others.
 *
 * @param work does all of it or nothing
 * @returns asks for one; rejects when that one fails
 */
export function inOneGo<Item>(
  work: (items: readonly Item[]) => Promise<void>,
): (item: Item) => Promise<void> {
  let asked: Item[] = []
  let together: Promise<void> | undefined
  async function goNow(): Promise<void> {
    const items = asked
    asked = []
    together = undefined
    await work(items)
  }
  return async (item) => {
    asked.push(item)
    together ??= Promise.resolve().then(goNow)
    const mine = together
    const others = asked
    try {
      await mine
    } catch (error) {
      if (others.length === 1) throw error
      await work([item])
    }
  }
}

import { useCallback, useEffect, useLayoutEffect, useRef } from 'react'

/** How close to its end, in pixels, a list counts as being there. */
const NEAR_END = 120

/**
 * Keeps a list, whose content is one element, at its end while it grows, unless the user has scrolled up to read.
 *
 * @param end changes whenever the list's end does
 */
export function useFollowEnd(end: string) {
  const list = useRef<HTMLDivElement>(null)
  const following = useRef(true)
  const follow = useCallback(() => {
    if (following.current) list.current?.scrollTo({ top: list.current.scrollHeight })
  }, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new end is the reason to follow
  useLayoutEffect(follow, [end, follow])
  // The height changes when the composer grows, when a small screen switches to the chat, and when
  // the formatter of messages has been loaded.
  useEffect(() => {
    if (list.current === null) return
    const observer = new ResizeObserver(follow)
    observer.observe(list.current)
    const content = list.current.firstElementChild
    if (content) observer.observe(content)
    return () => observer.disconnect()
  }, [follow])
  const onScroll = () => {
    if (list.current === null) return
    const { scrollHeight, scrollTop, clientHeight } = list.current
    following.current = scrollHeight - scrollTop - clientHeight < NEAR_END
  }
  return { list, onScroll }
}

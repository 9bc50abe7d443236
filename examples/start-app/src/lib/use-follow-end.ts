import { useCallback, useEffect, useLayoutEffect, useRef } from 'react'

/** Distance from its end at which a list counts as scrolled to the end, in pixels. */
const NEAR_END = 120

/**
 * Keeps a list scrolled to its end while it grows, unless the user has scrolled up. The list's
 * content must be one element.
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
  // The height also changes when the composer grows, when a small screen switches to the chat, and
  // when the message formatter has loaded.
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

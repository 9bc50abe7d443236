import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

/** Distance from its end at which a list counts as scrolled to the end, in pixels. */
const NEAR_END = 120

/** Distance from its start at which a list needs older rows, in pixels. */
const NEAR_START = 400

/**
 * Keeps a list scrolled to its end while it grows, unless the user has scrolled up: then what the user reads stays
 * where it is, also when older rows are added above. The list's content must be one element.
 *
 * @param rows.start changes whenever the list's start does
 * @param rows.end changes whenever the list's end does
 * @param onNearStart called when the user has scrolled near the start
 */
export function useFollowEnd(
  { start, end }: { readonly start: string; readonly end: string },
  onNearStart: () => void,
) {
  const list = useRef<HTMLDivElement>(null)
  const following = useRef(true)
  const [isAway, setIsAway] = useState(false)
  const heightBefore = useRef(0)
  const follow = useCallback(() => {
    if (following.current) list.current?.scrollTo({ top: list.current.scrollHeight })
    else if (list.current && isNearEnd(list.current)) {
      // The list has become shorter.
      following.current = true
      setIsAway(false)
    }
  }, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new end is the reason to follow
  useLayoutEffect(follow, [end, follow])
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new start moves the rows
  useLayoutEffect(() => {
    if (list.current && !following.current) {
      list.current.scrollTop += list.current.scrollHeight - heightBefore.current
    }
  }, [start])
  useLayoutEffect(() => {
    heightBefore.current = list.current?.scrollHeight ?? 0
  })
  // The height also changes when the composer grows, when a small screen switches to the chat, and
  // when the message formatter has loaded.
  useEffect(() => {
    if (list.current === null) return
    const observer = new ResizeObserver(() => {
      heightBefore.current = list.current?.scrollHeight ?? 0
      follow()
    })
    observer.observe(list.current)
    const content = list.current.firstElementChild
    if (content) observer.observe(content)
    return () => observer.disconnect()
  }, [follow])
  const onScroll = () => {
    if (list.current === null) return
    following.current = isNearEnd(list.current)
    setIsAway(!following.current)
    if (list.current.scrollTop < NEAR_START) onNearStart()
  }
  const jump = () => {
    following.current = true
    setIsAway(false)
    follow()
  }
  return { list, onScroll, isAway, jump }
}

function isNearEnd({ scrollHeight, scrollTop, clientHeight }: Element): boolean {
  return scrollHeight - scrollTop - clientHeight < NEAR_END
}

import { type ChatThread, chatList } from '@org/session-db'
import { useEffect, useEffectEvent, useRef } from 'react'
import { useSessionDb } from '#/components/session-db'

/** A thread counts as read when its end has been on the screen for this time, in ms. */
const READING_MS = 500

/**
 * Marks a thread as read while its end is on the screen of a page that is visible.
 *
 * @param isStored false while the last message is not stored, which would be read too early
 * @returns the ref of the element at the end of the list
 */
export function useMarkRead(thread: ChatThread, isStored: boolean) {
  const { db } = useSessionDb()
  const end = useRef<HTMLDivElement>(null)
  const mark = useEffectEvent(() => chatList(db).markRead(thread))
  const { lastPosition } = thread
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new message is to be read
  useEffect(() => {
    if (end.current === null || !isStored) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let isOnScreen = false
    const check = () => {
      clearTimeout(timer)
      if (!isOnScreen || document.visibilityState === 'hidden') return
      timer = setTimeout(() => chatList(db).states.preload().then(mark), READING_MS)
    }
    const observer = new IntersectionObserver((entries) => {
      isOnScreen = entries.at(-1)?.isIntersecting === true
      check()
    })
    observer.observe(end.current)
    document.addEventListener('visibilitychange', check)
    return () => {
      clearTimeout(timer)
      observer.disconnect()
      document.removeEventListener('visibilitychange', check)
    }
  }, [db, lastPosition, isStored])
  return end
}

import { useEffect, useState } from 'react'

/** Returns a function that copies a text, and whether that was a moment ago. */
export function useCopied(shownMs: number) {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), shownMs)
    return () => clearTimeout(timer)
  }, [copied, shownMs])
  const copy = (text: string) => navigator.clipboard.writeText(text).then(() => setCopied(true))
  return [copied, copy] as const
}

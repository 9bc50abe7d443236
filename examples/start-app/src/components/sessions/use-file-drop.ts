import { useEffect, useEffectEvent, useState } from 'react'

const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false

/**
 * Handles files that are dropped anywhere on the page.
 *
 * @returns true while files are dragged over the page
 */
export function useFileDrop(onFiles: (files: readonly File[]) => void): boolean {
  const [isDragging, setDragging] = useState(false)
  const take = useEffectEvent(onFiles)
  useEffect(() => {
    const listening = new AbortController()
    const on = (type: 'dragover' | 'dragleave' | 'drop', listener: (event: DragEvent) => void) =>
      window.addEventListener(type, listener, { signal: listening.signal })
    on('dragover', (event) => {
      if (!hasFiles(event)) return
      // Otherwise the browser would open the file instead of the app.
      event.preventDefault()
      setDragging(true)
    })
    // Without a related target the pointer has left the window, not just an element.
    on('dragleave', (event) => event.relatedTarget === null && setDragging(false))
    on('drop', (event) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      setDragging(false)
      take([...(event.dataTransfer?.files ?? [])])
    })
    return () => listening.abort()
  }, [])
  return isDragging
}

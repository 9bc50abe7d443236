import { useEffect, useEffectEvent, useState } from 'react'

const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false

/** Returns the name of the zone around the pointer: the nearest `data-drop-zone`. */
const zoneOf = ({ target }: DragEvent) =>
  target instanceof Element
    ? target.closest<HTMLElement>('[data-drop-zone]')?.dataset.dropZone
    : undefined

/**
 * Handles files that are dropped in a zone, or, without one, anywhere else on the page.
 *
 * @returns true while files are dragged over it
 */
export function useFileDrop(onFiles: (files: readonly File[]) => void, zone?: string): boolean {
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
      setDragging(zoneOf(event) === zone)
    })
    // Without a related target the pointer has left the window, not just an element.
    on('dragleave', (event) => event.relatedTarget === null && setDragging(false))
    on('drop', (event) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      setDragging(false)
      if (zoneOf(event) === zone) take([...(event.dataTransfer?.files ?? [])])
    })
    return () => listening.abort()
  }, [zone])
  return isDragging
}

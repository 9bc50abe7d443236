import { useCallback, useState } from 'react'

/** A text that is stored in `sessionStorage` for this tab, or in `localStorage` for all tabs. */
export function useStored(
  storage: 'sessionStorage' | 'localStorage',
  key: string,
): readonly [string, (value: string) => void] {
  const read = () => ({ key, value: window[storage].getItem(key) ?? '' })
  const [stored, setStored] = useState(read)
  const { value } = stored.key === key ? stored : read()
  const store = useCallback(
    (next: string) => {
      setStored({ key, value: next })
      try {
        if (next === '') window[storage].removeItem(key)
        else window[storage].setItem(key, next)
      } catch {
        // The storage is full or forbidden: the text lives as long as the page.
      }
    },
    [storage, key],
  )
  return [value, store]
}

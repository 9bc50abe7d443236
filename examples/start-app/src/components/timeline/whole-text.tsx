import { fetchEvent, type TimelineEvent } from '@org/session-db'
import { useState } from 'react'
import { useSessionDb } from '#/components/session-db'

/** The library's note at the end of a text that it cut. */
const CUT = /… \[(\d+) more characters\]$/
const IMAGE =
  /"media_type":"(image\/(?:png|jpeg|gif|webp))"[^{}]{0,200}?"data":"([A-Za-z0-9+/=]+)"|"(data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+)"/g

type Loaded = { readonly text: string; readonly images: readonly string[] }

/** Loads what a timeline doesn't keep: the rest of a long text, and images. */
export function WholeText({ event }: { event: TimelineEvent }) {
  const { db } = useSessionDb()
  const [loaded, setLoaded] = useState<Loaded | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const text = event.text ?? ''
  const missing = CUT.exec(text)?.[1]
  const hasImage = text.includes('[image]')
  if (missing === undefined && !hasImage) return null

  async function load() {
    try {
      const whole = await fetchEvent(db, event.sessionId, event.seq)
      setLoaded({ text: whole?.text ?? text, images: imagesIn(whole?.raw ?? '') })
    } catch (error) {
      setFailure(error instanceof Error ? error.message : 'The text could not be loaded.')
    }
  }

  if (loaded !== null) {
    return (
      <>
        {missing !== undefined && (
          <p className="mt-2 text-sm leading-6 break-words whitespace-pre-wrap">
            {loaded.text.slice(text.replace(CUT, '').length)}
          </p>
        )}
        {loaded.images.map((source, index) => (
          <img
            // biome-ignore lint/suspicious/noArrayIndexKey: images never change places
            key={index}
            src={source}
            alt={`${index + 1} of this message`}
            className="mt-2 max-h-96 max-w-full rounded-lg border"
          />
        ))}
        {hasImage && loaded.images.length === 0 && (
          <p className="mt-1 text-xs text-muted-foreground">The log doesn’t contain the image.</p>
        )}
      </>
    )
  }
  return (
    <>
      <button
        type="button"
        tabIndex={-1}
        data-testid={`whole-${event.seq}`}
        onClick={load}
        className="mt-1 rounded text-xs font-medium text-accent-text hover:underline"
      >
        {hasImage ? 'Show images' : `Show ${Number(missing).toLocaleString()} more characters`}
      </button>
      {failure && (
        <p role="alert" className="text-xs text-danger">
          {failure}
        </p>
      )}
    </>
  )
}

/** Finds images in a line of a log: Anthropic's blocks and data URLs. */
function imagesIn(raw: string): string[] {
  return [...raw.matchAll(IMAGE)].map(([, type, data, url]) => url ?? `data:${type};base64,${data}`)
}

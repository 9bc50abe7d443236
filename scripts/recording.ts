import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Page } from 'playwright-core'
import { createSession, openSession, setShared } from '../test/e2e/support/app.ts'
import { launchBrowser, openWindow } from '../test/e2e/support/browser.ts'
import { startDemo, temporaryDataDir } from '../test/e2e/support/demo.ts'

// npm run recording: records two windows of the start app as an animated WebP. Chromium encodes the frames; this file
// only puts them into the container.

const OUT = resolve(import.meta.dirname, '../docs/pictures/two-windows.webp')
const MAX_BYTES = 1_500_000
const WINDOW = { width: 560, height: 600 }
const GAP = 16
const TITLE = 28
const SIZE = { width: 2 * WINDOW.width + 3 * GAP, height: WINDOW.height + TITLE + GAP }

interface Frame {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  /** How long it shows, in ms. */
  durationMs: number
  /** The `VP8 ` chunk of the picture. */
  readonly chunk: Buffer
}

const dataDir = await temporaryDataDir()
const demo = await startDemo({ dataDir: dataDir.path, env: { ECHO_TOKEN_MS: '40' } })
const browser = await launchBrowser()
try {
  const frames = await record()
  const file = animation(frames)
  if (file.length > MAX_BYTES) throw new Error(`The recording has ${file.length} bytes.`)
  await writeFile(OUT, file)
  const seconds = frames.reduce((sum, { durationMs }) => sum + durationMs, 0) / 1_000
  process.stdout.write(`${OUT}: ${frames.length} frames, ${seconds} s, ${file.length} bytes\n`)
} finally {
  await browser.close()
  await demo.stop()
  await dataDir.remove()
}

async function record(): Promise<Frame[]> {
  const look = { colorScheme: 'light', reducedMotion: 'reduce' } as const
  const wide = { ...look, viewport: { width: 1280, height: WINDOW.height } }
  const ann = (await openWindow(browser, demo.url, 'ann', { ...wide, answers: true })).page
  const bob = (await openWindow(browser, demo.url, 'bob', wide)).page
  const canvas = await (await browser.newContext({ viewport: SIZE })).newPage()
  const frames: Frame[] = []

  /** Adds what both windows show, as far as it has changed. */
  async function take(durationMs: number): Promise<void> {
    const [left, right] = await Promise.all([ann.screenshot(), bob.screenshot()])
    const pictures = [left, right].map((png) => png.toString('base64'))
    const names = ['Ann', 'Bob']
    const layout = { ...SIZE, windowWidth: WINDOW.width, gap: GAP, title: TITLE }
    const change = await canvas.evaluate(compose, { pictures, names, ...layout })
    const last = frames.at(-1)
    if (change === null && last) last.durationMs += durationMs
    else if (change) {
      const { webp, ...place } = change
      frames.push({ ...place, durationMs, chunk: pictureOf(Buffer.from(webp, 'base64')) })
    }
  }

  async function type(page: Page, text: string): Promise<void> {
    for (const word of text.match(/\S+\s*/g) ?? []) {
      await page.getByTestId('composer').pressSequentially(word)
      await take(160)
    }
  }

  const sessionId = await createSession(ann, 'Flaky checkout test')
  await setShared(ann, sessionId, true)
  await openSession(bob, sessionId)
  for (const page of [ann, bob]) {
    await page.setViewportSize(WINDOW)
    await page.getByTestId('view-chat').click()
    await page.getByTestId('composer').waitFor()
  }
  await take(1_200)

  await type(ann, 'Why did the checkout test fail twice?')
  await ann.getByTestId('composer').press('Enter')
  await bob.getByTestId('message-list').getByText('Why did the checkout').first().waitFor()
  await take(700)
  const done = bob.locator('[data-role="assistant"][data-status="complete"]')
  while ((await done.count()) === 0) await take(350)
  await take(1_200)

  await type(bob, 'I have seen it too: the clock.')
  await bob.getByTestId('composer').press('Enter')
  await ann.getByTestId('message-list').getByText('I have seen it too').first().waitFor()
  await take(1_800)

  await ann.getByTestId('session-menu').click()
  await take(700)
  await ann.getByTestId('open-sharing').click()
  await ann.getByTestId('revoke').waitFor()
  await take(1_300)
  await ann.getByTestId('revoke').click()
  await bob.getByTestId('session-gone').waitFor()
  await take(2_800)
  return frames
}

interface Composition {
  readonly pictures: readonly string[]
  readonly names: readonly string[]
  readonly width: number
  readonly height: number
  readonly windowWidth: number
  readonly gap: number
  readonly title: number
}

/** Runs in a page: draws the windows side by side, and encodes the part that differs from the last call. */
async function compose({
  pictures,
  names,
  width,
  height,
  windowWidth,
  gap,
  title,
}: Composition): Promise<
  (Pick<Frame, 'x' | 'y' | 'width' | 'height'> & { readonly webp: string }) | null
> {
  const page = window as { before?: Uint8ClampedArray }
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d', { alpha: false, willReadFrequently: true })
  if (context === null) throw new Error('There is no canvas.')
  context.fillStyle = '#e2e4ec'
  context.fillRect(0, 0, width, height)
  context.fillStyle = '#3a3f50'
  context.font = '600 13px sans-serif'
  for (const [index, picture] of pictures.entries()) {
    const left = gap + index * (windowWidth + gap)
    context.fillText(names[index] ?? '', left + 2, title - 9)
    const image = new Image()
    image.src = `data:image/png;base64,${picture}`
    await image.decode()
    context.drawImage(image, left, title)
  }
  const { data } = context.getImageData(0, 0, width, height)
  let [left, top, right, bottom] = [width, height, -1, -1]
  for (let at = 0; at < data.length; at += 4) {
    const same =
      page.before?.[at] === data[at] &&
      page.before?.[at + 1] === data[at + 1] &&
      page.before?.[at + 2] === data[at + 2]
    if (same) continue
    const x = (at / 4) % width
    const y = Math.floor(at / 4 / width)
    left = Math.min(left, x)
    right = Math.max(right, x)
    top = Math.min(top, y)
    bottom = y
  }
  page.before = data
  if (right < 0) return null
  // A frame's place is stored in steps of two pixels.
  left -= left % 2
  top -= top % 2
  const part = new OffscreenCanvas(right - left + 1, bottom - top + 1)
  part.getContext('2d', { alpha: false })?.drawImage(canvas, -left, -top)
  const blob = await part.convertToBlob({ type: 'image/webp', quality: 0.82 })
  const bytes = new Uint8Array(await blob.arrayBuffer())
  const webp = btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''))
  return { x: left, y: top, width: part.width, height: part.height, webp }
}

/** Puts frames into an animated WebP: https://developers.google.com/speed/webp/docs/riff_container. */
function animation(frames: readonly Frame[]): Buffer {
  const ANIMATED = 0b10
  const header = Buffer.concat([
    Buffer.from([ANIMATED, 0, 0, 0]),
    uint24(SIZE.width - 1),
    uint24(SIZE.height - 1),
  ])
  // White behind the frames; repeated without an end.
  const loop = Buffer.from([255, 255, 255, 255, 0, 0])
  const parts = frames.map(({ x, y, width, height, durationMs, chunk }) =>
    riffChunk('ANMF', [
      ...[x / 2, y / 2, width - 1, height - 1, durationMs].map(uint24),
      // Over the frame before, not blended.
      Buffer.from([0b10]),
      chunk,
    ]),
  )
  const body = [riffChunk('VP8X', [header]), riffChunk('ANIM', [loop]), ...parts]
  return riffChunk('RIFF', [Buffer.from('WEBP'), ...body])
}

/** Returns the `VP8 ` chunk of a WebP, without the colour profile that Chromium adds. */
function pictureOf(webp: Buffer): Buffer {
  for (let start = 12; start < webp.length; ) {
    const size = 8 + webp.readUInt32LE(start + 4)
    const end = start + size + (size % 2)
    if (webp.toString('latin1', start, start + 4) === 'VP8 ') return webp.subarray(start, end)
    start = end
  }
  throw new Error('Chromium has not encoded a lossy picture.')
}

function riffChunk(name: string, contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const head = Buffer.alloc(8)
  head.write(name, 'latin1')
  head.writeUInt32LE(content.length, 4)
  return Buffer.concat([head, content, Buffer.alloc(content.length % 2)])
}

function uint24(value: number): Buffer {
  const bytes = Buffer.alloc(3)
  bytes.writeUIntLE(value, 0, 3)
  return bytes
}

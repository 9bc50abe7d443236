import { readFile } from 'node:fs/promises'

/** One step that a reader of a guide takes. */
export type GuideStep =
  | { readonly type: 'file'; readonly path: string; readonly text: string }
  | { readonly type: 'commands'; readonly text: string }

/**
 * Returns the steps of a guide in order. A block after a paragraph that is a path in backticks and a
 * colon is a file to write; a block marked `sh` holds commands to type.
 */
export async function readGuide(file: string): Promise<GuideStep[]> {
  const text = await readFile(file, 'utf8')
  const pattern = /(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$/gms
  return [...text.matchAll(pattern)].flatMap(([, path, language, text = '']): GuideStep[] => {
    if (path !== undefined) return [{ type: 'file', path, text }]
    return language === 'sh' ? [{ type: 'commands', text }] : []
  })
}

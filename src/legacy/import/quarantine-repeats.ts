import { join } from 'node:path'
import type { RecordIssue } from './import-report.ts'
import { readJsonArray } from './json-array-file.ts'
import type { QuarantineFile } from './quarantine-file.ts'

/**
 * Quarantines records whose ids came before. That they did is known only once all are read, so their
 * files are read once more for their text.
 */
export async function quarantineRepeats(
  quarantine: QuarantineFile,
  dataDir: string,
  salvage: boolean,
  repeats: readonly RecordIssue[],
): Promise<void> {
  for (const file of new Set(repeats.map((issue) => issue.file))) {
    const byIndex = new Map(
      repeats.filter((issue) => issue.file === file).map((issue) => [issue.index, issue]),
    )
    for await (const elements of readJsonArray(join(dataDir, file), { salvage })) {
      for (const { index, bytes } of elements) {
        const issue = byIndex.get(index)
        if (issue !== undefined) await quarantine.add(issue, bytes)
      }
    }
  }
}

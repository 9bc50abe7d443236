import type { TemporaryDirectories } from './directories.ts'

/** Runs a program whose directories are gone when it ends; with `--help` it only says how it is used. */
export async function runInDirectories(
  directories: TemporaryDirectories,
  { usage, help }: { readonly usage: string; readonly help: boolean | undefined },
  main: () => Promise<void>,
): Promise<void> {
  if (help) return console.log(usage)
  try {
    await main()
  } finally {
    await directories.remove()
  }
}

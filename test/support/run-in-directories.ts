import type { TemporaryDirectories } from './directories.ts'

/** Runs a program and removes its directories when it ends; with `--help` it only prints the usage. */
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

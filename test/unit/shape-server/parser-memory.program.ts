import { loadPgParser, parseWhere } from '../../../src/dev/shape-server/where/parse.ts'

/** Parses many clauses, waits until nothing runs in the background any more, and prints the most memory it took. */
await loadPgParser()
for (let n = 0; n < 500; n++) parseWhere(`owner = 'ann' AND n IN (${n}, 1, 2) OR title LIKE '%x%'`)
let before = process.cpuUsage()
for (;;) {
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const { user } = process.cpuUsage(before)
  before = process.cpuUsage()
  // A busy machine leaves even a busy thread more than that.
  if (user < 50_000) break
}
console.log(process.resourceUsage().maxRSS)

/** Fails the run before its tests when no real Electric is configured. */
export default function requireElectric(): void {
  for (const name of ['DATABASE_URL', 'ELECTRIC_URL']) {
    if (!process.env[name]) {
      throw new Error(
        `Set ${name}: npm run test:electric runs against an Electric and its Postgres that are up already ` +
          '(DATABASE_URL, ELECTRIC_URL, and ELECTRIC_SECRET where it has one).',
      )
    }
  }
}

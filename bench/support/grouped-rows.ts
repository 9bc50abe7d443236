import type { Client } from 'pg'

/** Creates a table whose rows belong to groups, and a procedure that commits many rows one by one. */
export async function createGroups(database: Client, table: string): Promise<void> {
  await database.query(`
    CREATE TABLE ${table} (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      group_id text NOT NULL,
      body text NOT NULL
    );
    CREATE INDEX ON ${table} (group_id);
    CREATE PROCEDURE ${table}_burst(transactions int) LANGUAGE plpgsql AS $$
    BEGIN
      FOR n IN 1..transactions LOOP
        INSERT INTO ${table} (group_id, body)
        VALUES (CASE WHEN n = transactions THEN 'last' ELSE (n % 1000)::text END, repeat('x', 300));
        COMMIT;
      END LOOP;
    END $$`)
}

/** Adds a row of 300 bytes to a group. */
export async function insertRow(database: Client, table: string, group: number): Promise<void> {
  await database.query({
    name: `insert-${table}`,
    text: `INSERT INTO ${table} (group_id, body) VALUES ($1, $2)`,
    values: [String(group), 'x'.repeat(300)],
  })
}

/**
 * Commits rows one by one in all groups, faster than a client could send them; the last row has the
 * group `last`. Flushes to disk only at the end, so that the stream does not wait for the disk.
 */
export async function writeBurst(
  database: Client,
  table: string,
  transactions: number,
): Promise<void> {
  await database.query('SET synchronous_commit = off')
  await database.query(`CALL ${table}_burst(${transactions})`)
  await database.query('SET synchronous_commit = on')
  // A flushed commit also flushes those before it.
  await database.query(`INSERT INTO ${table} (group_id, body) VALUES ('after', '')`)
}

/** Rows of a shape that a server has read, to start a collection of the browser with. */
export interface ShapeRows<Row extends object = object> {
  readonly shape: string
  readonly params: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
}

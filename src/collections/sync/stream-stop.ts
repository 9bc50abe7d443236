/** Where a stream waits that an error has stopped. */
export interface StreamStop {
  /** Resolves to true when the stream should go on, to false when it is over. */
  untilRestart(): Promise<boolean>
  restart(): void
  /** The stream is over. */
  end(): void
}

/** Creates the stop of one collection's stream. A restart while nothing waits does nothing. */
export function createStreamStop(): StreamStop {
  let waiting: ((goesOn: boolean) => void)[] = []
  const letGo = (goesOn: boolean) => {
    const due = waiting
    waiting = []
    for (const resolve of due) resolve(goesOn)
  }
  return {
    untilRestart: () => new Promise((resolve) => waiting.push(resolve)),
    restart: () => letGo(true),
    end: () => letGo(false),
  }
}

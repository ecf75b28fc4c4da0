import { StreamError, type ReaderPresence, type Subscription } from "@sluice/core";

type CountHere = (streamId: string) => number;

/** The edge pods of one process. */
export class MemoryReaderPresence implements ReaderPresence {
  /** Set to false, nobody can be asked. */
  isConnected = true;
  readonly #pods = new Set<CountHere>();

  /** Pods that haven't been closed. */
  get openPods(): number {
    return this.#pods.size;
  }

  async countReaders(streamIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (!this.isConnected || this.#pods.size === 0)
      throw new StreamError("CONNECTION", "readers can't be counted now");
    return new Map(streamIds.map((streamId) => [streamId, this.#count(streamId)]));
  }

  async hasReader(streamId: string): Promise<boolean> {
    const counts = await this.countReaders([streamId]);
    return (counts.get(streamId) ?? 0) > 0;
  }

  answerPresence(countHere: CountHere): Subscription {
    // Wrapped, so that one function given twice is two registrations.
    const pod: CountHere = (streamId) => countHere(streamId);
    this.#pods.add(pod);
    return { close: () => void this.#pods.delete(pod) };
  }

  #count(streamId: string): number {
    let readers = 0;
    for (const countHere of this.#pods) readers += countHere(streamId);
    return readers;
  }
}

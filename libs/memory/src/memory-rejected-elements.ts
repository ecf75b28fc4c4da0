import type { RejectedElement, RejectedElements } from "@sluice/core";
import type { MemoryPartitionLog } from "./memory-partition-log.ts";

/** Rejected elements that a MemoryPartitionLog was given to keep. */
export class MemoryRejectedElements implements RejectedElements {
  readonly #log: MemoryPartitionLog;

  constructor(log: MemoryPartitionLog) {
    this.#log = log;
  }

  async readOldest(page: { streamId?: string; after: number; limit: number }): Promise<RejectedElement[]> {
    const isWanted = ({ position, streamId }: RejectedElement): boolean =>
      position > page.after && (page.streamId === undefined || streamId === page.streamId);
    return this.#all().filter(isWanted).slice(0, page.limit);
  }

  async readNewest(page: {
    before: number | null;
    limit: number;
    maxElementBytes: number;
  }): Promise<RejectedElement[]> {
    return this.#all()
      .filter(({ position }) => page.before === null || position < page.before)
      .toReversed()
      .slice(0, page.limit)
      .map((each) => ({ ...each, element: each.element.slice(0, page.maxElementBytes) }));
  }

  #all(): RejectedElement[] {
    return this.#log.rejected.map((rejection, index) => ({
      ...rejection,
      position: index + 1,
      rejectedMs: 0,
      elementBytes: rejection.element.byteLength,
    }));
  }
}

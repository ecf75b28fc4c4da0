import type { PartitionPressure, PressureFeed, Subscription } from "@sluice/core";

type Handler = (pressure: PartitionPressure) => void;

/** All ends in one, in one process. Delivers a turn of the event loop later. */
export class MemoryPressureFeed implements PressureFeed {
  #handlers: readonly Handler[] = [];

  get openSubscriptions(): number {
    return this.#handlers.length;
  }

  publishPressure(pressure: PartitionPressure): void {
    for (const handler of this.#handlers) {
      setImmediate(() => {
        if (this.#handlers.includes(handler)) handler(pressure);
      });
    }
  }

  subscribePressure(handler: Handler): Subscription {
    const entry: Handler = (pressure) => handler(pressure);
    this.#handlers = [...this.#handlers, entry];
    return { close: () => void (this.#handlers = this.#handlers.filter((other) => other !== entry)) };
  }
}

import type { LiveFeed, LiveRange, RebuildAnswer, Subscription, TailAnnouncement } from "@sluice/core";

type RebuildHandler = (streamId: string) => Promise<RebuildAnswer>;

/**
 * Bus between several MemoryLiveFeeds. Delivers in order, a turn of the event loop later; or drops, at a rate
 * or by choice, as the real one may at any time.
 */
export class MemoryLiveBus {
  /** Share of the ranges and tails that get lost, 0 to 1. */
  dropRate = 0;
  /** Decides, with `dropRate`; replaced by tests that want the same losses each time. */
  random: () => number = Math.random;
  /** Ranges, and frames of heartbeats. */
  readonly live = new Topic<LiveRange | Uint8Array>();
  readonly tails = new Topic<TailAnnouncement>();
  readonly beats = new Topic<{ streamId: string; brokerSequence: number | null }>();
  readonly barriers = new Topic<() => void>();
  readonly rebuilds = new Map<number, Set<RebuildHandler>>();

  isDropped(): boolean {
    return this.dropRate > 0 && this.random() < this.dropRate;
  }

  /** Subscriptions that haven't been closed. */
  get openSubscriptions(): number {
    let rebuilds = 0;
    for (const handlers of this.rebuilds.values()) rebuilds += handlers.size;
    return this.live.size + this.tails.size + this.beats.size + this.barriers.size + rebuilds;
  }
}

/** One process's end of the bus. */
export class MemoryLiveFeed implements LiveFeed {
  readonly #bus: MemoryLiveBus;
  #isConnected = true;
  readonly #reconnectHandlers = new Set<() => void>();

  constructor(bus: MemoryLiveBus) {
    this.#bus = bus;
  }

  /** Cuts this end off: it publishes and receives nothing until `reconnect`. */
  disconnect(): void {
    this.#isConnected = false;
  }

  reconnect(): void {
    this.#isConnected = true;
    for (const handler of this.#reconnectHandlers) handler();
  }

  publishRange(streamId: string, range: LiveRange): void {
    this.#publishLive(streamId, range);
  }

  subscribeRanges(
    streamId: string,
    handler: (range: LiveRange) => void,
    onHeartbeat: (frame: Uint8Array) => void = () => {},
  ): Subscription {
    return this.#bus.live.subscribe(streamId, (message) => {
      if (!this.#isConnected) return;
      if (message instanceof Uint8Array) onHeartbeat(message);
      else handler(message);
    });
  }

  publishHeartbeat(streamId: string, frame: Uint8Array): void {
    this.#publishLive(streamId, frame);
  }

  #publishLive(streamId: string, message: LiveRange | Uint8Array): void {
    if (this.#isConnected && !this.#bus.isDropped()) this.#bus.live.publish(streamId, message);
  }

  publishTail(tail: TailAnnouncement): void {
    if (this.#isConnected && !this.#bus.isDropped()) this.#bus.tails.publish("", tail);
  }

  subscribeTails(handler: (tail: TailAnnouncement) => void): Subscription {
    return this.#bus.tails.subscribe("", (tail) => {
      if (this.#isConnected) handler(tail);
    });
  }

  barrier(partition: number, timeoutMs: number): Promise<boolean> {
    return answerWithin(timeoutMs, false, (resolve) => {
      if (this.#isConnected) this.#bus.barriers.publish(String(partition), () => resolve(true));
    });
  }

  answerBarriers(partition: number): Subscription {
    return this.#bus.barriers.subscribe(String(partition), (answer) => {
      if (this.#isConnected) answer();
    });
  }

  requestRebuild(partition: number, streamId: string, timeoutMs: number): Promise<RebuildAnswer | null> {
    return answerWithin<RebuildAnswer | null>(timeoutMs, null, (resolve) => {
      const [handler] = this.#bus.rebuilds.get(partition) ?? [];
      if (handler === undefined || !this.#isConnected) resolve(null);
      else handler(streamId).then(resolve, () => resolve(null));
    });
  }

  answerRebuilds(partition: number, handler: RebuildHandler): Subscription {
    const handlers = this.#bus.rebuilds.get(partition) ?? new Set();
    this.#bus.rebuilds.set(partition, handlers);
    // Wrapped, so that one function given twice is two registrations.
    const entry: RebuildHandler = (streamId) => handler(streamId);
    handlers.add(entry);
    return { close: () => void handlers.delete(entry) };
  }

  publishBeat(streamId: string, brokerSequence: number | null): void {
    if (this.#isConnected && !this.#bus.isDropped())
      this.#bus.beats.publish("", { streamId, brokerSequence });
  }

  subscribeBeats(handler: (streamId: string, brokerSequence: number | null) => void): Subscription {
    return this.#bus.beats.subscribe("", ({ streamId, brokerSequence }) => {
      if (this.#isConnected) handler(streamId, brokerSequence);
    });
  }

  onReconnect(handler: () => void): Subscription {
    const entry = (): void => handler();
    this.#reconnectHandlers.add(entry);
    return { close: () => void this.#reconnectHandlers.delete(entry) };
  }

  isConnected(): boolean {
    return this.#isConnected;
  }
}

class Topic<Message> {
  readonly #handlers = new Map<string, Set<(message: Message) => void>>();

  get size(): number {
    let size = 0;
    for (const handlers of this.#handlers.values()) size += handlers.size;
    return size;
  }

  publish(key: string, message: Message): void {
    // Who subscribes after this gets nothing of it, and who closes before the delivery neither.
    for (const handler of this.#handlers.get(key) ?? []) {
      setImmediate(() => {
        if (this.#handlers.get(key)?.has(handler) === true) handler(message);
      });
    }
  }

  subscribe(key: string, handler: (message: Message) => void): Subscription {
    const entry = (message: Message): void => handler(message);
    const handlers = this.#handlers.get(key) ?? new Set();
    this.#handlers.set(key, handlers.add(entry));
    return {
      close: () => {
        handlers.delete(entry);
        if (handlers.size === 0 && this.#handlers.get(key) === handlers) this.#handlers.delete(key);
      },
    };
  }
}

function answerWithin<Answer>(
  timeoutMs: number,
  otherwise: Answer,
  ask: (resolve: (answer: Answer) => void) => void,
): Promise<Answer> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(otherwise), timeoutMs);
    ask((answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

import {
  StreamError,
  type CancelAnswer,
  type CancelFeed,
  type CancelReason,
  type Subscription,
} from "@sluice/core";

type StopHandler = (streamId: string) => Promise<CancelAnswer>;
type NoticeHandler = (reason: CancelReason) => void;

/** Readers, owners and producers of one process. */
export class MemoryCancelFeed implements CancelFeed {
  /** Set to false, nobody reaches anybody. */
  isConnected = true;
  readonly #owners = new Map<number, Set<StopHandler>>();
  readonly #producers = new Map<string, Set<NoticeHandler>>();

  /** Subscriptions that haven't been closed. */
  get openSubscriptions(): number {
    const handlers = [...this.#owners.values(), ...this.#producers.values()];
    return handlers.reduce((sum, { size }) => sum + size, 0);
  }

  async requestCancel(partition: number, streamId: string, timeoutMs: number): Promise<CancelAnswer | null> {
    const [handler] = this.#owners.get(partition) ?? [];
    if (handler === undefined || !this.isConnected) return null;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), timeoutMs);
    });
    const answer = await Promise.race([handler(streamId).catch(() => null), tooLate]);
    clearTimeout(timer);
    return answer;
  }

  answerCancels(partition: number, handler: StopHandler): Subscription {
    return register(this.#owners, partition, (streamId) => handler(streamId));
  }

  async tellProducer(streamId: string, reason: CancelReason): Promise<boolean> {
    if (!this.isConnected) throw new StreamError("CONNECTION", "producers can't be told anything now");
    const handlers = [...(this.#producers.get(streamId) ?? [])];
    for (const handler of handlers) handler(reason);
    return handlers.length > 0;
  }

  onCancel(streamId: string, handler: NoticeHandler): Subscription {
    return register(this.#producers, streamId, (reason) => handler(reason));
  }
}

/** @param handler of its own, so that closing this registration closes no other */
function register<Key, Handler>(all: Map<Key, Set<Handler>>, key: Key, handler: Handler): Subscription {
  const handlers = all.get(key) ?? new Set();
  all.set(key, handlers.add(handler));
  return {
    close: () => {
      handlers.delete(handler);
      if (handlers.size === 0 && all.get(key) === handlers) all.delete(key);
    },
  };
}

import { setTimeout as delay } from "node:timers/promises";
import type { ConsumeBounds, PartitionReader, StoredMessage, Subscription } from "@sluice/core";
import { MESSAGE_OVERHEAD_BYTES } from "./log-setup.ts";
import type { NatsLink } from "./nats-connection.ts";
import { PullSession } from "./pull-session.ts";

const REOPEN_WAIT_MS = 250;

/**
 * Reads one partition in log order, for ever, over sessions that come and go.
 *
 *   opening ──session──▶ reading ──doubt or reconnect──▶ opening          close, from any state ──▶ closed
 *
 * Each session starts after the last message taken. What it delivers at or before that is dropped: a replica may lag
 * behind the one that served us, and a log may have fallen back. So the order holds whatever the server does.
 * A pull never asks for more than there is room for: the server holds back, and the heap isn't filled.
 */
export class NatsPartitionReader implements PartitionReader {
  readonly #link: NatsLink;
  readonly #partition: number;
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #closed = new AbortController();
  readonly #onReconnect: Subscription;
  #session: PullSession | null = null;
  #opening: Promise<void> | null = null;
  #lastTaken: number;
  #buffer: StoredMessage[] = [];
  #bufferedBytes = 0;
  /** Number of messages that the log had after the last one that came, as it last said. */
  #pending = Infinity;
  #wake: (() => void) | null = null;
  #closing: Promise<void> | undefined;

  private constructor(link: NatsLink, partition: number, after: number, bounds: ConsumeBounds) {
    this.#link = link;
    this.#partition = partition;
    this.#lastTaken = after;
    this.#maxMessages = Math.max(bounds.maxPendingMessages, 2);
    // A pull begins with at least half of it free; if that were less than the largest message, it would block the rest.
    this.#maxBytes = Math.max(bounds.maxPendingBytes, 2 * (link.maxPayload + MESSAGE_OVERHEAD_BYTES));
    this.#onReconnect = link.onReconnect(() => this.#reopen());
  }

  /** @throws StreamError LOG_UNAVAILABLE when the first session can't be opened; later ones are tried for ever */
  static async open(
    link: NatsLink,
    partition: number,
    after: number,
    bounds: ConsumeBounds,
  ): Promise<NatsPartitionReader> {
    const reader = new NatsPartitionReader(link, partition, after, bounds);
    try {
      await reader.#openSession();
      return reader;
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  get backlog(): number {
    return this.#buffer.length + this.#pending;
  }

  async next(maxMessages: number): Promise<StoredMessage[] | null> {
    if (this.#wake !== null) throw new Error("next was called while another call of it waits");
    while (this.#buffer.length === 0 && !this.#closed.signal.aborted) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
    if (this.#closed.signal.aborted) return null;
    const taken = this.#buffer.splice(0, maxMessages);
    for (const message of taken) this.#bufferedBytes -= sizeOf(message);
    this.#pullIfRoom();
    return taken;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    this.#onReconnect.close();
    this.#buffer = [];
    this.#wake?.();
    await this.#opening;
    await this.#session?.close();
    this.#session = null;
  }

  #reopen(): void {
    if (this.#opening !== null || this.#closed.signal.aborted) return;
    const last = this.#session;
    this.#session = null;
    this.#pending = Infinity;
    void last?.close();
    this.#opening = this.#openUntilDone().finally(() => (this.#opening = null));
  }

  async #openUntilDone(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        // Without a connection an attempt would wait for its time-out, and be late for the reconnect.
        if (this.#link.isConnected) {
          await this.#openSession();
          if (this.#session?.isOver === false) return;
        }
      } catch {
        // A server that starts is not ready for a while; the next attempt is near.
      }
      await delay(REOPEN_WAIT_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #openSession(): Promise<void> {
    const session = await PullSession.open(
      this.#link,
      this.#partition,
      { after: this.#lastTaken },
      {
        onMessage: (message, pending) => this.#take(message, pending),
        onPullEnd: () => this.#pullIfRoom(),
        onDoubt: () => this.#reopen(),
      },
    );
    if (this.#closed.signal.aborted) return session.close();
    const last = this.#session;
    this.#session = session;
    this.#pending = session.pendingAtStart;
    void last?.close();
    this.#pullIfRoom();
  }

  #take(message: StoredMessage, pending: number): void {
    this.#pending = pending;
    if (message.brokerSequence <= this.#lastTaken) return;
    this.#lastTaken = message.brokerSequence;
    this.#buffer.push(message);
    this.#bufferedBytes += sizeOf(message);
    this.#wake?.();
  }

  #pullIfRoom(): void {
    if (this.#session === null || this.#session.isPulling) return;
    const messages = this.#maxMessages - this.#buffer.length;
    const bytes = this.#maxBytes - this.#bufferedBytes;
    if (messages >= this.#maxMessages / 2 && bytes >= this.#maxBytes / 2) this.#session.pull(messages, bytes);
  }
}

// Headers and subject, roughly: many tiny messages must count, too.
const SIZE_WITHOUT_PAYLOAD = 256;

function sizeOf(message: StoredMessage): number {
  return message.payload.byteLength + SIZE_WITHOUT_PAYLOAD;
}

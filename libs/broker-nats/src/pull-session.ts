import { AckPolicy, DeliverPolicy, ReplayPolicy } from "@nats-io/jetstream";
import { createInbox, nanos, nuid, type Msg, type Subscription } from "@nats-io/nats-core";
import type { StoredMessage } from "@sluice/core";
import { CHUNKS_STREAM, partitionSubjects } from "@sluice/protocol";
import { askLog } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";
import { numberOf, parseDelivery, storedMessage } from "./stored-message.ts";

const PULL_EXPIRES_MS = 10_000;
const HEARTBEAT_MS = 500;
// Four heartbeats: with fewer, a busy event loop takes itself for a dead server.
const SILENCE_MS = 2_000;
// The server forgets a consumer that a dead process left behind; one that its reader let rest so long is made anew.
const INACTIVE_MS = 15_000;

/** Range of a session: everything after a broker sequence, or the last message of each stream. */
export type SessionStart = { after: number } | "last-of-each-stream";

export interface SessionHandlers {
  /** @param pending messages that were left in the log for this session */
  onMessage(message: StoredMessage, pending: number): void;
  /** The open pull has ended in good order: the next one may follow. */
  onPullEnd(): void;
  /** Something may be missing or the consumer may be gone. Told once; nothing else is told after it. @param reason for people */
  onDoubt(reason: string): void;
}

/**
 * One short-lived JetStream consumer of a partition, read by pulls, one at a time, without acknowledgements.
 *
 * It delivers without holes or says that it can't tell: a delivery number that doesn't follow the one before, a
 * heartbeat that names a delivery which never came, silence during a pull, and any status that it doesn't know are doubt.
 */
export class PullSession {
  readonly #link: NatsLink;
  readonly #consumer: string;
  readonly #inbox = createInbox();
  readonly #handlers: SessionHandlers;
  readonly #subscription: Subscription;
  readonly #silence: NodeJS.Timeout;
  #delivered = 0;
  #pendingAtStart = 0;
  #pull = 0;
  /** Messages that the open pull may still bring; 0: none is open. */
  #expected = 0;
  #isOver = false;

  private constructor(link: NatsLink, partition: number, handlers: SessionHandlers) {
    this.#link = link;
    this.#consumer = `sluice-p${partition}-${nuid.next()}`;
    this.#handlers = handlers;
    this.#silence = setTimeout(() => {
      if (this.isPulling) this.#doubt(`nothing came for ${SILENCE_MS} ms`);
    }, SILENCE_MS);
    this.#subscription = link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (this.#isOver) return;
        if (error !== null) this.#doubt(error.message);
        else if (message.subject.startsWith(this.#inbox)) this.#onStatus(message);
        else this.#onMessage(message);
      },
    });
  }

  /** @throws StreamError LOG_UNAVAILABLE */
  static async open(
    link: NatsLink,
    partition: number,
    start: SessionStart,
    handlers: SessionHandlers,
  ): Promise<PullSession> {
    const session = new PullSession(link, partition, handlers);
    try {
      const { num_pending } = await askLog(`read partition ${partition}`, async () => {
        return link.jetStreamManager.consumers.add(CHUNKS_STREAM, {
          name: session.#consumer,
          filter_subject: partitionSubjects(partition),
          ...(start === "last-of-each-stream"
            ? { deliver_policy: DeliverPolicy.LastPerSubject }
            : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start.after + 1 }),
          ack_policy: AckPolicy.None,
          replay_policy: ReplayPolicy.Instant,
          inactive_threshold: nanos(INACTIVE_MS),
          mem_storage: true,
          num_replicas: 1,
        });
      });
      session.#pendingAtStart = num_pending;
      return session;
    } catch (error) {
      // It may have been made all the same; then the server forgets it by itself.
      session.#end();
      throw error;
    }
  }

  /** True once it was closed or has told its doubt. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Messages that stood in the log for this session when it was opened. */
  get pendingAtStart(): number {
    return this.#pendingAtStart;
  }

  get isPulling(): boolean {
    return this.#expected > 0;
  }

  /** Asks for that much, and for ever less as it comes; to be called while no pull is open. @param bytes null: no bound */
  pull(messages: number, bytes: number | null): void {
    if (this.#isOver) return;
    this.#pull += 1;
    this.#expected = messages;
    this.#silence.refresh();
    const request = {
      batch: messages,
      ...(bytes === null ? {} : { max_bytes: bytes }),
      expires: nanos(PULL_EXPIRES_MS),
      idle_heartbeat: nanos(HEARTBEAT_MS),
    };
    try {
      this.#link.connection.publish(
        `$JS.API.CONSUMER.MSG.NEXT.${CHUNKS_STREAM}.${this.#consumer}`,
        JSON.stringify(request),
        { reply: `${this.#inbox}.${this.#pull}` },
      );
    } catch (error) {
      this.#doubt(error instanceof Error ? error.message : String(error));
    }
  }

  /** Bounded by the connection's request time-out; nothing is told after it was called. */
  async close(): Promise<void> {
    this.#end();
    if (!this.#link.isConnected) return;
    // Only tidiness, hence no matter if it fails.
    await this.#link.jetStreamManager.consumers.delete(CHUNKS_STREAM, this.#consumer).catch(() => undefined);
  }

  #onMessage(message: Msg): void {
    this.#silence.refresh();
    const delivery = parseDelivery(message.reply ?? "");
    if (delivery?.deliverySequence !== this.#delivered + 1)
      return this.#doubt(`delivery ${delivery?.deliverySequence} came after ${this.#delivered}`);
    this.#delivered = delivery.deliverySequence;
    this.#handlers.onMessage(
      storedMessage({
        subject: message.subject,
        brokerSequence: delivery.brokerSequence,
        timestampMs: delivery.timestampMs,
        headers: message.headers,
        payload: message.data,
      }),
      delivery.pending,
    );
    this.#expected -= 1;
    if (this.#expected === 0) this.#handlers.onPullEnd();
  }

  #onStatus(message: Msg): void {
    // Servers since 2.12 also say when a pull is filled, which its last message has told already.
    if (message.subject !== `${this.#inbox}.${this.#pull}` || !this.isPulling) return;
    this.#silence.refresh();
    const code = message.headers?.code ?? 0;
    if (code === HEARTBEAT) {
      const told = numberOf(message.headers, "Nats-Last-Consumer");
      if (told !== null && told > this.#delivered)
        this.#doubt(`delivery ${told} was told, ${this.#delivered} had come`);
    } else if (code === PULL_EXPIRED || (code === PULL_ENDED && isFilled(message))) {
      this.#expected = 0;
      this.#handlers.onPullEnd();
    } else {
      this.#doubt(`the server said ${code} ${message.headers?.description ?? ""}`);
    }
  }

  #doubt(reason: string): void {
    if (this.#isOver) return;
    this.#end();
    this.#handlers.onDoubt(reason);
  }

  #end(): void {
    this.#isOver = true;
    this.#expected = 0;
    clearTimeout(this.#silence);
    this.#subscription.unsubscribe();
  }
}

const HEARTBEAT = 100;
const PULL_EXPIRED = 408;
const PULL_ENDED = 409;

/** The other reasons of 409 (consumer deleted, leadership change, server shutdown…) all mean: not here any more. */
function isFilled(message: Msg): boolean {
  return /batch completed|exceeds maxbytes/i.test(message.headers?.description ?? "");
}

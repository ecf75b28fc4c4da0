import { StreamError, type StoredMessage } from "@sluice/core";
import { partitionSubjects } from "@sluice/protocol";
import type { LeaderReads } from "./leader-reads.ts";
import { logUnavailable } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";
import { PullSession, type SessionHandlers } from "./pull-session.ts";

// One pull, one page; few, since they may be large. It can't be bounded by bytes: the message that would pass such a bound
// is left out for ever by servers up to 2.12 at least, where a consumer delivers last messages.
const PAGE_MESSAGES = 32;
const MAX_SESSIONS = 4;

/**
 * The last message of each stream of a partition, up to the partition's last one as the log's leader has it now.
 * Where a session is lost or ends too early the next one goes on behind what was told: nothing that is a stream's last stands before that.
 * @throws StreamError LOG_UNAVAILABLE where that happens again and again
 */
export async function* readLastMessages(
  link: NatsLink,
  reads: LeaderReads,
  partition: number,
): AsyncGenerator<readonly StoredMessage[], void, undefined> {
  const upTo = (await reads.last(partitionSubjects(partition)))?.brokerSequence ?? 0;
  let told = 0;
  for (let sessions = 1; told < upTo; sessions++) {
    try {
      for await (const page of readSession(link, partition, told, upTo)) {
        told = page.at(-1)?.brokerSequence ?? told;
        yield page;
      }
      // Short of its end, too, where the rest has left the log meanwhile; or the replica lags for longer than a pull lasts.
      const rest = await reads.firstAfter(partitionSubjects(partition), told);
      if (rest === null || rest.brokerSequence > upTo) return;
      throw logUnavailable("read last messages", "a replica lags behind");
    } catch (error) {
      const isLost = error instanceof StreamError && error.code === "LOG_UNAVAILABLE";
      if (!isLost || sessions === MAX_SESSIONS) throw error;
    }
  }
}

/**
 * The session may be with a replica that lags behind. Then it tells what that one has for a start, and what it gets
 * afterwards as new: so it is read as far as the leader's last one, whichever way that comes.
 */
async function* readSession(
  link: NatsLink,
  partition: number,
  after: number,
  upTo: number,
): AsyncGenerator<readonly StoredMessage[], void, undefined> {
  const session = new LastMessageSession(after, upTo);
  const pulls = await PullSession.open(link, partition, "last-of-each-stream", session);
  try {
    for (let before = -1; before < session.reached && session.reached < upTo;) {
      before = session.reached;
      const pulled = session.nextPull();
      pulls.pull(PAGE_MESSAGES, null);
      const page = await pulled;
      if (page.length > 0) yield page;
    }
  } finally {
    await pulls.close();
  }
}

/** Delivers the results of one pull after the other, page by page. */
class LastMessageSession implements SessionHandlers {
  reached = 0;
  readonly #after: number;
  readonly #upTo: number;
  #page: StoredMessage[] = [];
  #doubt: StreamError | null = null;
  #pull = Promise.withResolvers<void>();

  constructor(after: number, upTo: number) {
    this.#after = after;
    this.#upTo = upTo;
  }

  /** @throws StreamError LOG_UNAVAILABLE */
  async nextPull(): Promise<readonly StoredMessage[]> {
    this.#page = [];
    this.#pull = Promise.withResolvers();
    if (this.#doubt === null) await this.#pull.promise;
    if (this.#doubt !== null) throw this.#doubt;
    return this.#page;
  }

  onMessage(message: StoredMessage): void {
    this.reached = message.brokerSequence;
    if (this.reached > this.#after) this.#page.push(message);
    if (this.reached >= this.#upTo) this.#pull.resolve();
  }

  onPullEnd(): void {
    this.#pull.resolve();
  }

  onDoubt(reason: string): void {
    this.#doubt = logUnavailable("read last messages", reason);
    this.#pull.resolve();
  }
}

import type { StoredMessage } from "@sluice/core";
import { logUnavailable } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";
import { PullSession } from "./pull-session.ts";

// One pull, one page; few, since they may be large. It can't be bounded by bytes: the message that would pass such a bound
// is left out for ever by servers up to 2.12 at least, where a consumer delivers last messages.
const PAGE_MESSAGES = 32;

/**
 * The last message of each stream of a partition, by one session that ends with what it had to deliver at its start.
 * @throws StreamError LOG_UNAVAILABLE where the session is lost half-way: begin again
 */
export async function* readLastMessages(
  link: NatsLink,
  partition: number,
): AsyncGenerator<readonly StoredMessage[], void, undefined> {
  let page: StoredMessage[] = [];
  let settlePull: (outcome: "ended" | "lost") => void = () => {};
  const session = await PullSession.open(link, partition, "last-of-each-stream", {
    onMessage: (message) => void page.push(message),
    onPullEnd: () => settlePull("ended"),
    onDoubt: () => settlePull("lost"),
  });
  try {
    // After those of the start the session would go on with what is written now.
    for (let left = session.pendingAtStart; left > 0; left -= page.length) {
      page = [];
      const pulled = new Promise<"ended" | "lost">((resolve) => (settlePull = resolve));
      session.pull(Math.min(PAGE_MESSAGES, left), null);
      if (session.isOver || (await pulled) === "lost")
        throw logUnavailable("read last messages", "it was cut");
      if (page.length === 0) return;
      yield page;
    }
  } finally {
    await session.close();
  }
}

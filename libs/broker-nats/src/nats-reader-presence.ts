import { StreamError, type ReaderPresence, type Subscription } from "@sluice/core";
import { READERS_SUBJECT, readersAnswerSchema, readersQuerySchema } from "@sluice/protocol";
import type { NatsLink } from "./nats-connection.ts";
import { parseJsonAs, respond, subscribe } from "./service-request.ts";

/** One request that all pods answer. How many there are nobody knows, so only time tells that all have. */
export class NatsReaderPresence implements ReaderPresence {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  async countReaders(streamIds: readonly string[], timeoutMs: number): Promise<ReadonlyMap<string, number>> {
    const totals = new Map(streamIds.map((streamId) => [streamId, 0]));
    const asked = [...totals.keys()];
    for await (const counts of this.#ask(asked, timeoutMs)) {
      for (const [index, streamId] of asked.entries()) {
        totals.set(streamId, (totals.get(streamId) ?? 0) + (counts[index] ?? 0));
      }
    }
    return totals;
  }

  async hasReader(streamId: string, timeoutMs: number): Promise<boolean> {
    for await (const [count = 0] of this.#ask([streamId], timeoutMs)) if (count > 0) return true;
    return false;
  }

  answerPresence(countHere: (streamId: string) => number): Subscription {
    return subscribe(this.#link, READERS_SUBJECT, (message) => {
      const query = parseJsonAs(readersQuerySchema, message.data);
      if (query !== null) respond(message, { counts: query.streamIds.map(countHere) });
    });
  }

  async *#ask(streamIds: readonly string[], timeoutMs: number): AsyncGenerator<readonly number[]> {
    let hasAnswer = false;
    try {
      const query = JSON.stringify({ streamIds });
      const bounds = { strategy: "timer", maxWait: timeoutMs } as const;
      const answers = await this.#link.connection.requestMany(READERS_SUBJECT, query, bounds);
      for await (const message of answers) {
        const answer = parseJsonAs(readersAnswerSchema, message.data);
        if (answer === null) continue;
        hasAnswer = true;
        yield answer.counts;
      }
    } catch (error) {
      throw new StreamError("CONNECTION", "readers can't be counted now", { cause: error });
    }
    if (!hasAnswer) throw new StreamError("CONNECTION", "no server that has readers answered");
  }
}

import { setTimeout as delay } from "node:timers/promises";
import { connectNats, ensureLog, NatsPartitionLog, type NatsLink } from "@sluice/broker-nats";
import type { StoredMessage } from "@sluice/core";
import { splitPayload } from "@sluice/protocol";

/** Log that keeps what a server's log really holds, whatever producers were told; for tests only. */
export class ObservedLog {
  readonly link: NatsLink;
  readonly #log: NatsPartitionLog;

  private constructor(link: NatsLink, log: NatsPartitionLog) {
    this.link = link;
    this.#log = log;
  }

  static async open(natsUrl: string, maxBytes = 256 * 1024 * 1024): Promise<ObservedLog> {
    const link = await connectNats({ servers: natsUrl, name: "observer" });
    const options = { replicas: 1, maxAgeMs: 3_600_000, maxBytes, minRetentionMs: 300_000 };
    return new ObservedLog(link, new NatsPartitionLog(link, await ensureLog(link, options)));
  }

  /** Repeated, since the observer's own connection may come back later than the producer's. */
  async readMessages(streamId: string): Promise<StoredMessage[]> {
    for (const deadlineMs = performance.now() + 20_000; ; await delay(100)) {
      try {
        const messages: StoredMessage[] = [];
        for await (const page of this.#log.readStream(streamId, 0, 500)) messages.push(...page);
        return messages;
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
      }
    }
  }

  /** The contents of a stream's Text chunks in the order of the log. */
  async readTexts(streamId: string): Promise<string[]> {
    const elements = (await this.readMessages(streamId)).flatMap(({ payload }) => splitPayload(payload));
    return elements.flatMap((element) => {
      const { chunk_type: type } = element as { chunk_type: { content?: string } };
      return type.content === undefined ? [] : [type.content];
    });
  }
}

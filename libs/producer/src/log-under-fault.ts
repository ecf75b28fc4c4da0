import { connectNats, ensureLog, NatsPartitionLog, type NatsLink } from "@sluice/broker-nats";
import type { StoredMessage } from "@sluice/core";
import { splitPayload } from "@sluice/protocol";
import { expect } from "vitest";

/** What a server's log really holds, whatever producers were told. */
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
    let messages: StoredMessage[] | null = null;
    const read = async (): Promise<StoredMessage[]> => {
      const found: StoredMessage[] = [];
      for await (const page of this.#log.readStream(streamId, 0, 500)) found.push(...page);
      return found;
    };
    await expect
      .poll(async () => (messages = await read().catch(() => null)), { timeout: 20_000 })
      .not.toBeNull();
    return messages ?? [];
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

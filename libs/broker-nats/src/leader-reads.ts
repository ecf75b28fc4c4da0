import type { StoredMsg } from "@nats-io/jetstream";
import type { StoredMessage } from "@sluice/core";
import { CHUNKS_STREAM } from "@sluice/protocol";
import { askLog } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";
import { millisecondsOfTimestamp, storedMessage } from "./stored-message.ts";

/**
 * Single messages from the log's leader: they include all that was acknowledged before, which the faster direct reads,
 * answered by any replica, do not promise. Subjects are those after the transform, `chunk.<p>.<id>`.
 */
export class LeaderReads {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  async last(subject: string): Promise<StoredMessage | null> {
    return this.#read({ last_by_subj: subject });
  }

  /** The first message after a position whose subject matches; the subject may have wildcards. */
  async firstAfter(subject: string, brokerSequence: number): Promise<StoredMessage | null> {
    return this.#read({ seq: brokerSequence + 1, next_by_subj: subject });
  }

  async at(brokerSequence: number): Promise<StoredMessage | null> {
    return this.#read({ seq: brokerSequence });
  }

  async #read(query: LeaderQuery): Promise<StoredMessage | null> {
    const message = await askLog("read a message", async () => {
      // `next_by_subj` is passed on as it is; the client's types know it for direct reads only.
      return this.#link.jetStreamManager.streams.getMessage(CHUNKS_STREAM, query);
    });
    return message === null ? null : storedMessage(rawOf(message));
  }
}

type LeaderQuery = { last_by_subj: string } | { seq: number; next_by_subj?: string };

/** The parts of a message that a JetStream read by sequence or subject answered. */
export function rawOf(message: StoredMsg): Parameters<typeof storedMessage>[0] {
  return {
    subject: message.subject,
    brokerSequence: message.seq,
    timestampMs: millisecondsOfTimestamp(message.timestamp),
    headers: message.header,
    payload: message.data,
  };
}

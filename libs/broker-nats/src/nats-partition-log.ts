import { headers, millis } from "@nats-io/nats-core";
import {
  partitionOf,
  type ConsumeBounds,
  type Divergence,
  type LogFacts,
  type PartitionLog,
  type PartitionReader,
  type StoredMessage,
} from "@sluice/core";
import { CHUNKS_STREAM, chunkSubject, HEADERS, rejectedSubject } from "@sluice/protocol";
import { readDirectPage } from "./direct-page.ts";
import { LeaderReads, rawOf } from "./leader-reads.ts";
import { readLastMessages } from "./last-messages.ts";
import { askLog } from "./log-errors.ts";
import { fullnessOf, readLogInfo } from "./log-state.ts";
import { createdMsOf, MESSAGE_OVERHEAD_BYTES, type LogIdentity } from "./log-setup.ts";
import { divergencesOf, recordDivergence } from "./log-divergences.ts";
import type { NatsLink } from "./nats-connection.ts";
import { NatsPartitionReader } from "./partition-reader.ts";
import { storedMessage } from "./stored-message.ts";

const ALL_SUBJECTS = ">";
// Headers are for people here; a parser's message can quote the whole payload.
const MAX_REASON_CHARACTERS = 500;

/** The log as ingest sees it. Several readers share the one connection. */
export class NatsPartitionLog implements PartitionLog {
  readonly partitions: number;
  readonly #link: NatsLink;
  readonly #reads: LeaderReads;
  readonly #createdMs: number;

  constructor(link: NatsLink, log: LogIdentity) {
    this.#link = link;
    this.#reads = new LeaderReads(link);
    this.partitions = log.partitions;
    this.#createdMs = log.createdMs;
  }

  async facts(): Promise<LogFacts> {
    const info = await readLogInfo(this.#link);
    const { config, state } = info;
    return {
      // Not what was read at the start: this log may have been replaced under a running process.
      createdMs: createdMsOf(config) ?? this.#createdMs,
      firstSequence: state.messages === 0 ? state.last_seq + 1 : state.first_seq,
      lastSequence: state.last_seq,
      divergences: divergencesOf(config),
      maxAgeMs: config.max_age === 0 ? Infinity : millis(config.max_age),
      fullness: fullnessOf(info),
      space: { usedBytes: state.bytes, limitBytes: config.max_bytes > 0 ? config.max_bytes : Infinity },
    };
  }

  recordDivergence(
    after: number,
    lost: { brokerSequence: number; timestampMs: number },
    known: readonly Divergence[],
  ): Promise<void> {
    return recordDivergence(this.#link, after, lost, known);
  }

  async timestampAt(brokerSequence: number): Promise<number | null> {
    const message = await this.#reads.at(brokerSequence);
    return message?.timestampMs ?? null;
  }

  /** Searches by bisection, since messages stand in the order of their times: about twenty reads for a million messages. */
  async positionBefore(timeMs: number): Promise<number> {
    const { firstSequence, lastSequence } = await this.facts();
    let before = firstSequence - 1;
    let atOrAfter = lastSequence + 1;
    while (atOrAfter - before > 1) {
      const middle = before + Math.floor((atOrAfter - before) / 2);
      // The first message from the middle on speaks for the hole in front of it, too.
      const message = await this.#reads.firstAfter(ALL_SUBJECTS, middle - 1);
      if (message !== null && message.timestampMs < timeMs)
        before = Math.min(message.brokerSequence, lastSequence);
      else atOrAfter = middle;
    }
    return before;
  }

  async read(partition: number, after: number, bounds: ConsumeBounds): Promise<PartitionReader> {
    return NatsPartitionReader.open(this.#link, partition, after, bounds);
  }

  async *readStream(
    streamId: string,
    after: number,
    pageSize: number,
  ): AsyncGenerator<readonly StoredMessage[], void, undefined> {
    const subject = chunkSubject(partitionOf(streamId, this.partitions), streamId);
    const last = await this.#reads.last(subject);
    const upTo = last?.brokerSequence ?? 0;
    let position = after;
    while (position < upTo) {
      const page = await this.#readPage(subject, position, upTo, pageSize);
      const end = page.at(-1);
      if (end === undefined) return;
      position = end.brokerSequence;
      yield page;
    }
  }

  lastMessages(partition: number): AsyncIterable<readonly StoredMessage[]> {
    return readLastMessages(this.#link, this.#reads, partition);
  }

  /** Pages come from any replica; where that has nothing, the leader says whether there is anything. */
  async #readPage(subject: string, after: number, upTo: number, pageSize: number): Promise<StoredMessage[]> {
    const direct = await readDirectPage(this.#link, {
      jetStream: CHUNKS_STREAM,
      subject,
      after,
      maxMessages: pageSize,
    });
    const page = direct.map((message) => storedMessage(rawOf(message)));
    if (page.length === 0) {
      const next = await this.#reads.firstAfter(subject, after);
      if (next !== null) page.push(next);
    }
    return page.filter((message) => message.brokerSequence <= upTo);
  }

  async reject(rejected: {
    streamId: string;
    brokerSequence: number;
    index: number;
    reason: string;
    element: Uint8Array;
  }): Promise<void> {
    const room = this.#link.maxPayload - MESSAGE_OVERHEAD_BYTES;
    const isCut = rejected.element.byteLength > room;
    const note = isCut ? ` (cut off after ${room} of ${rejected.element.byteLength} bytes)` : "";
    const made = headers();
    made.set(HEADERS.messageId, `${rejected.brokerSequence}:${rejected.index}`);
    made.set(HEADERS.brokerSequence, String(rejected.brokerSequence));
    made.set(HEADERS.elementIndex, String(rejected.index));
    made.set(HEADERS.reason, oneLine(rejected.reason) + note);
    await askLog("keep a rejected element", async () => {
      return this.#link.jetStream.publish(
        rejectedSubject(rejected.streamId),
        isCut ? rejected.element.subarray(0, room) : rejected.element,
        { headers: made },
      );
    });
  }
}

/** A header's value ends at its line. */
function oneLine(reason: string): string {
  const line = reason.replaceAll(/\s+/g, " ").trim();
  return line.length > MAX_REASON_CHARACTERS ? `${line.slice(0, MAX_REASON_CHARACTERS)}…` : line;
}

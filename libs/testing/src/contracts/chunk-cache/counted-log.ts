import {
  numberEntry,
  type CachedChunk,
  type LogElement,
  type LogEntry,
  type RestoredPage,
  type StreamHead,
  type LoggedStream,
} from "@sluice/core";
import { chunkJsonHead } from "@sluice/protocol";
import { logEntry, rejectedElement, textElement } from "../log-entry-samples.ts";

export const STREAMS = ["a", "b", "c"] as const;
export type Stream = (typeof STREAMS)[number];

export interface Published {
  stream: Stream;
  elements: readonly ("text" | "rejected" | "end")[];
  isTombstone: boolean;
  /** Whether the message proves its own number. */
  isProven: boolean;
  beatIntervalMs: number | null;
}

interface Position {
  /** Head after each message of the stream, by broker sequence. */
  heads: Map<number, number>;
  /** Chunks by sequence; "" for a placeholder. */
  texts: Map<number, string>;
  last: number;
  status: "open" | "completed" | "deleted";
}

/** The log, with each element's position counted as it is published: what a cache's numbers have to be. */
export class CountedLog {
  readonly entries: LogEntry[] = [];
  readonly streams = new Map<Stream, Position>(
    STREAMS.map((name) => [name, { heads: new Map(), texts: new Map(), last: 0, status: "open" }]),
  );

  publish(published: Published): void {
    const position = this.position(published.stream);
    const brokerSequence = this.entries.length + 1;
    const isOpen = position.status === "open";
    const proven = position.last + 1;
    const elements = published.isTombstone
      ? []
      : published.elements.map((kind, index) => element(kind, brokerSequence, index));
    if (published.isTombstone && position.status !== "deleted") {
      position.status = "deleted";
      position.last++;
    } else if (isOpen) {
      for (const [index, kind] of (published.isTombstone ? [] : published.elements).entries()) {
        position.texts.set(++position.last, kind === "rejected" ? "" : text(brokerSequence, index));
        if (kind === "end") {
          position.status = "completed";
          break;
        }
      }
    }
    position.heads.set(brokerSequence, position.last);
    this.entries.push(
      logEntry(brokerSequence, {
        streamId: published.stream,
        // Producers are told of the end: what comes after it is a bare publish.
        firstSequence: isOpen && (published.isProven || proven === 1) ? proven : null,
        isTombstone: published.isTombstone,
        beatIntervalMs: published.beatIntervalMs,
        elements,
      }),
    );
  }

  position(name: Stream): Position {
    const position = this.streams.get(name);
    if (position === undefined) throw new Error(`no stream ${name}`);
    return position;
  }

  /** A rebuild of a stream as of now; null where the log holds nothing of it. */
  rebuild(name: Stream): RestoredPage | null {
    const chunks: CachedChunk[] = [];
    let head: StreamHead | null = null;
    const info: Omit<LoggedStream, "head"> = {
      streamId: name,
      chunkCount: 0,
      byteCount: 0,
      createdMs: 0,
      updatedMs: 0,
      endedMs: null,
      options: null,
      beatIntervalMs: null,
    };
    for (const entry of this.entries.filter(({ streamId }) => streamId === name)) {
      const numbering = numberEntry(head, {
        ...entry,
        firstSequence: head === null ? 1 : entry.firstSequence,
      });
      if (numbering.kind !== "numbered")
        throw new Error("a log read from its beginning numbers every message");
      const wasOpen: boolean = head === null || head.status === "open";
      head = numbering.head;
      if (!wasOpen && !(entry.isTombstone && numbering.count === 1)) continue;
      info.beatIntervalMs = entry.beatIntervalMs;
      info.createdMs ||= entry.timestampMs;
      info.updatedMs = entry.timestampMs;
      if (head.status !== "open") info.endedMs ??= entry.timestampMs;
      for (const [index, { kind, ...rest }] of entry.elements.slice(0, numbering.count).entries()) {
        const sequence = numbering.first + index;
        const body = "body" in rest ? chunkJsonHead(name, sequence) + rest.body : "";
        chunks.push({ sequence, json: Buffer.from(body) });
        info.chunkCount += kind === "chunk" ? 1 : 0;
        info.byteCount += Buffer.byteLength(body);
      }
    }
    if (head === null) return null;
    const completion = {
      info: { ...info, head },
      snapshotBrokerSequence: this.entries.length,
      isProven: true,
    };
    return {
      partition: 0,
      streamId: name,
      chunkTtlSeconds: 300,
      chunks: head.status === "deleted" ? [] : chunks,
      completion,
    };
  }
}

function text(brokerSequence: number, index: number): string {
  // Every other message says the same, so that equal payloads meet.
  return brokerSequence % 2 === 0 ? "same" : `${brokerSequence}/${index}`;
}

function element(kind: "text" | "rejected" | "end", brokerSequence: number, index: number): LogElement {
  if (kind === "rejected") return rejectedElement();
  return textElement(text(brokerSequence, index), kind === "end" ? { endStatus: "completed" } : {});
}

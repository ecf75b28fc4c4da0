import type { Msg } from "@nats-io/nats-core";
import {
  isStreamId,
  type LiveFeed,
  type LiveRange,
  type RebuildAnswer,
  type Subscription,
  type TailAnnouncement,
} from "@sluice/core";
import {
  BEAT_SUBJECTS,
  beatSubject,
  decodeHeartbeatMessage,
  decodeLiveMessage,
  encodeHeartbeatMessage,
  encodeLiveMessage,
  hereSubject,
  liveSubject,
  parseSequence,
  rebuildAnswerSchema,
  rebuildRequestSchema,
  rebuildSubject,
  TAIL_SUBJECTS,
  tailAnnouncementSchema,
  tailSubject,
} from "@sluice/protocol";
import { splitRange } from "./live-split.ts";
import type { NatsLink } from "./nats-connection.ts";
import { parseJsonAs, publishLive, subscribe } from "./service-request.ts";

// Room for the line in front of the frames and for the message's subject.
const RANGE_OVERHEAD_BYTES = 1024;

const BEAT_PREFIX_LENGTH = beatSubject("").length;
// A number of 16 digits; without it a foreign message would be turned into a string as a whole.
const MAX_BEAT_BYTES = 16;

export interface LiveFeedOptions {
  /** Told of each message that can't be read; it is dropped. */
  onMalformed?: (subject: string) => void;
}

/** Live messages on core NATS. */
export class NatsLiveFeed implements LiveFeed {
  readonly #link: NatsLink;
  readonly #onMalformed: (subject: string) => void;

  constructor(link: NatsLink, options: LiveFeedOptions = {}) {
    this.#link = link;
    this.#onMalformed = options.onMalformed ?? (() => undefined);
  }

  publishRange(streamId: string, range: LiveRange): void {
    const subject = liveSubject(streamId);
    for (const part of splitRange(range, this.#link.maxPayload - RANGE_OVERHEAD_BYTES)) {
      publishLive(this.#link, subject, encodeLiveMessage(part));
    }
  }

  subscribeRanges(
    streamId: string,
    handler: (range: LiveRange) => void,
    onHeartbeat: (frame: Uint8Array) => void = () => {},
  ): Subscription {
    return subscribe(this.#link, liveSubject(streamId), (message) => {
      const range = decodeLiveMessage(message.data);
      if (range !== null) {
        handler(range);
        return;
      }
      const heartbeat = decodeHeartbeatMessage(message.data);
      if (heartbeat === null) this.#onMalformed(message.subject);
      else onHeartbeat(heartbeat);
    });
  }

  publishHeartbeat(streamId: string, frame: Uint8Array): void {
    publishLive(this.#link, liveSubject(streamId), encodeHeartbeatMessage(frame));
  }

  publishTail(tail: TailAnnouncement): void {
    publishLive(this.#link, tailSubject(tail.partition), JSON.stringify(tail));
  }

  subscribeTails(handler: (tail: TailAnnouncement) => void): Subscription {
    return subscribe(this.#link, TAIL_SUBJECTS, (message) => {
      const tail = parseJsonAs(tailAnnouncementSchema, message.data);
      if (tail === null) this.#onMalformed(message.subject);
      else handler(tail);
    });
  }

  async barrier(partition: number, timeoutMs: number): Promise<boolean> {
    try {
      await this.#link.connection.request(hereSubject(partition), undefined, { timeout: timeoutMs });
      return true;
    } catch {
      return false;
    }
  }

  answerBarriers(partition: number): Subscription {
    return subscribe(this.#link, hereSubject(partition), (message) => void message.respond());
  }

  /** Null also where the owner answered that it failed: it has logged why, and asking again is all that helps. */
  async requestRebuild(
    partition: number,
    streamId: string,
    timeoutMs: number,
  ): Promise<RebuildAnswer | null> {
    let answer: Msg;
    try {
      const request = JSON.stringify({ streamId });
      answer = await this.#link.connection.request(rebuildSubject(partition), request, {
        timeout: timeoutMs,
      });
    } catch {
      return null;
    }
    const parsed = parseJsonAs(rebuildAnswerSchema, answer.data);
    if (parsed === null) this.#onMalformed(rebuildSubject(partition));
    return parsed === null || parsed.kind === "failed" ? null : parsed;
  }

  answerRebuilds(partition: number, handler: (streamId: string) => Promise<RebuildAnswer>): Subscription {
    return subscribe(this.#link, rebuildSubject(partition), (message) => {
      const request = parseJsonAs(rebuildRequestSchema, message.data);
      if (request === null) this.#onMalformed(message.subject);
      else void this.#answerRebuild(message, handler(request.streamId));
    });
  }

  async #answerRebuild(message: Msg, answering: Promise<RebuildAnswer>): Promise<void> {
    const answer = await answering.catch((error: unknown) => {
      return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
    });
    if (message.reply !== undefined && message.reply !== "")
      publishLive(this.#link, message.reply, JSON.stringify(answer));
  }

  publishBeat(streamId: string, brokerSequence: number | null): void {
    publishLive(this.#link, beatSubject(streamId), String(brokerSequence ?? ""));
  }

  subscribeBeats(handler: (streamId: string, brokerSequence: number | null) => void): Subscription {
    return subscribe(this.#link, BEAT_SUBJECTS, (message) => {
      const streamId = message.subject.slice(BEAT_PREFIX_LENGTH);
      if (!isStreamId(streamId)) {
        this.#onMalformed(message.subject);
        return;
      }
      const text = message.data.byteLength > MAX_BEAT_BYTES ? "" : message.string();
      handler(streamId, parseSequence(text));
    });
  }

  onReconnect(handler: () => void): Subscription {
    return this.#link.onReconnect(handler);
  }

  isConnected(): boolean {
    return this.#link.isConnected;
  }
}

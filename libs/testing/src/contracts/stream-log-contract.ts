import { beforeAll, expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import type { StreamLog } from "@sluice/core";
import { appendTexts, freshStreamId, outgoing, textPayload, type LogUnderTest } from "./log-under-test.ts";

/** Promises of every StreamLog to producers. */
export function streamLogContract(name: string, open: () => Promise<LogUnderTest>): void {
  describeContract("StreamLog", name, open, (contract) => {
    let log: StreamLog;
    beforeAll(() => {
      log = contract.subject.streamLog;
    });

    it("stores a message that expects nothing, whatever stands last", async () => {
      const streamId = freshStreamId();
      const [first] = await appendTexts(log, streamId, ["a"]);
      const outcome = await log.append(outgoing({ streamId, expectedLastSequence: null }));
      const last = await log.lastMessage(streamId);
      expect(outcome).toEqual({ kind: "stored", brokerSequence: last?.brokerSequence });
      expect(last?.brokerSequence).toBeGreaterThan(first!);
      expect(last?.expectedLastSequence).toBeNull();
    });

    it("tells how full the log is", async () => {
      expect(await log.fullness()).toBeGreaterThanOrEqual(0);
      expect(await log.fullness()).toBeLessThan(1);
    });

    it("gives a stored message a position above all earlier ones", async () => {
      const [first, second] = [freshStreamId(), freshStreamId()];
      const positions = [
        ...(await appendTexts(log, first, ["a", "b"])),
        ...(await appendTexts(log, second, ["c"])),
      ];
      expect(positions).toEqual(positions.toSorted((a, b) => a - b));
      expect(new Set(positions).size).toBe(3);
    });

    it("returns a message with everything that it was sent with", async () => {
      const streamId = freshStreamId();
      const before = Date.now();
      const sent = outgoing({
        streamId,
        expectedLastSequence: 0,
        messageId: `${streamId}:1`,
        producerSequence: 1,
        options: '{"custom":{"title":"naïve ☂"}}',
        beatIntervalMs: 700,
        receiptTo: "_INBOX.a.7",
        payload: textPayload("✓ \u0000 done"),
      });
      const outcome = await log.append(sent);
      const stored = await log.lastMessage(streamId);
      expect(stored).toEqual({
        streamId,
        brokerSequence: outcome.kind === "stored" ? outcome.brokerSequence : outcome,
        timestampMs: expect.any(Number) as number,
        messageId: sent.messageId,
        producerSequence: 1,
        expectedLastSequence: 0,
        control: null,
        options: sent.options,
        beatIntervalMs: 700,
        receiptTo: "_INBOX.a.7",
        payload: expect.anything() as Uint8Array,
      });
      expect(Buffer.from(stored!.payload)).toEqual(Buffer.from(sent.payload));
      // Clocks of two processes on one machine; a second tells a wrong unit from a late timer.
      expect(Math.abs(stored!.timestampMs - before)).toBeLessThan(10_000);
    });

    it("marks a tombstone as one", async () => {
      const streamId = freshStreamId();
      await log.append(outgoing({ streamId, expectedLastSequence: 0, control: "delete" }));
      expect((await log.lastMessage(streamId))?.control).toBe("delete");
    });

    it("stores an empty payload", async () => {
      const streamId = freshStreamId();
      await log.append(outgoing({ streamId, expectedLastSequence: 0, payload: new Uint8Array(0) }));
      expect((await log.lastMessage(streamId))?.payload.byteLength).toBe(0);
    });

    it("reads a bare publish as a message without id, number and expectation", async () => {
      const streamId = freshStreamId();
      await contract.subject.publishBare(streamId, textPayload("bare"));
      expect(await log.lastMessage(streamId)).toMatchObject({
        messageId: null,
        producerSequence: null,
        expectedLastSequence: null,
        control: null,
        options: null,
        beatIntervalMs: null,
        receiptTo: null,
      });
    });

    it("answers a wrong expectation with a conflict, and stores nothing", async () => {
      const streamId = freshStreamId();
      const [position] = await appendTexts(log, streamId, ["a"]);
      for (const expectedLastSequence of [0, position! - 1, position! + 1]) {
        const outcome = await log.append(outgoing({ streamId, expectedLastSequence }));
        expect(outcome).toEqual({ kind: "conflict" });
      }
      expect((await log.lastMessage(streamId))?.brokerSequence).toBe(position);
      expect(await log.firstAfter(streamId, position!)).toBeNull();
    });

    it("lets exactly one of many simultaneous publishes with the same expectation in", async () => {
      const streamId = freshStreamId();
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, () => log.append(outgoing({ streamId, expectedLastSequence: 0 }))),
      );
      expect(outcomes.filter((outcome) => outcome.kind === "stored")).toHaveLength(1);
      const only = await log.firstAfter(streamId, 0);
      expect(await log.firstAfter(streamId, only!.brokerSequence)).toBeNull();
    });

    it("knows nothing of a stream that nobody published to", async () => {
      const streamId = freshStreamId();
      expect(await log.lastMessage(streamId)).toBeNull();
      expect(await log.firstAfter(streamId, 0)).toBeNull();
    });

    it("finds the first message after a position, and only of that stream", async () => {
      const [streamId, other] = [freshStreamId(), freshStreamId()];
      const [first] = await appendTexts(log, streamId, ["a"]);
      await appendTexts(log, other, ["x", "y"]);
      const next = await log.append(outgoing({ streamId, expectedLastSequence: first! }));
      expect(await log.firstAfter(streamId, first! - 1)).toMatchObject({ streamId, brokerSequence: first });
      expect(await log.firstAfter(streamId, first!)).toMatchObject({
        streamId,
        brokerSequence: next.kind === "stored" ? next.brokerSequence : next,
      });
    });

    it("tells streams apart whose ids begin alike", async () => {
      const streamId = freshStreamId();
      await appendTexts(log, `${streamId}-2`, ["a"]);
      expect(await log.lastMessage(streamId)).toBeNull();
    });

    it("purges a stream's messages before a position, keeps that one, and no other stream's", async () => {
      const [streamId, other] = [freshStreamId(), freshStreamId()];
      const [otherFirst] = await appendTexts(log, other, ["x"]);
      const positions = await appendTexts(log, streamId, ["a", "b", "c"]);
      await log.purgeBefore(streamId, positions[2]!);
      expect((await log.firstAfter(streamId, 0))?.brokerSequence).toBe(positions[2]);
      expect((await log.lastMessage(other))?.brokerSequence).toBe(otherFirst);
    });

    it("keeps to the expectation after a purge", async () => {
      const streamId = freshStreamId();
      const positions = await appendTexts(log, streamId, ["a", "b"]);
      await log.purgeBefore(streamId, positions[1]!);
      expect(await log.append(outgoing({ streamId, expectedLastSequence: 0 }))).toEqual({ kind: "conflict" });
      const outcome = await log.append(outgoing({ streamId, expectedLastSequence: positions[1]! }));
      expect(outcome.kind).toBe("stored");
    });

    it("stores a message of the largest size, and refuses one byte more", async () => {
      const streamId = freshStreamId();
      const largest = new Uint8Array(log.maxMessageBytes).fill(0x61);
      const outcome = await log.append(outgoing({ streamId, expectedLastSequence: 0, payload: largest }));
      expect(outcome.kind).toBe("stored");
      expect((await log.lastMessage(streamId))?.payload.byteLength).toBe(largest.byteLength);
      const tooLarge = log.append(
        outgoing({ streamId, expectedLastSequence: 0, payload: new Uint8Array(log.maxMessageBytes + 1) }),
      );
      await expect(tooLarge).rejects.toMatchObject({ code: "CHUNK_TOO_LARGE" });
    });
  });
}

import { afterAll, beforeAll, expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import {
  partitionOf,
  type PartitionLog,
  type PartitionReader,
  type StoredMessage,
  type StreamLog,
} from "@sluice/core";
import { appendTexts, freshStreamId, outgoing, textPayload, type LogUnderTest } from "./log-under-test.ts";

const BOUNDS = { maxPendingMessages: 1_000, maxPendingBytes: 8 * 1024 * 1024 };
const PARTITION = 1;

/** Promises of every PartitionLog to ingest. */
export function partitionLogContract(name: string, open: () => Promise<LogUnderTest>): void {
  describeContract("PartitionLog", name, open, (contract) => {
    let log: PartitionLog;
    let streamLog: StreamLog;
    const readers: PartitionReader[] = [];
    beforeAll(() => {
      log = contract.subject.partitionLog;
      streamLog = contract.subject.streamLog;
    });
    afterAll(async () => {
      await Promise.all(readers.map((reader) => reader.close()));
    });

    const inPartition = (partition = PARTITION): string =>
      freshStreamId({ partition, partitions: log.partitions });

    const readFrom = async (
      after: number,
      bounds = BOUNDS,
      partition = PARTITION,
    ): Promise<PartitionReader> => {
      const reader = await log.read(partition, after, bounds);
      readers.push(reader);
      return reader;
    };

    const lastSequence = async (): Promise<number> => (await log.facts()).lastSequence;

    it("hands out a partition's messages after a position, of all its streams and no other's, in log order", async () => {
      const after = await lastSequence();
      const [one, two, elsewhere] = [inPartition(), inPartition(), inPartition(PARTITION + 1)];
      const sent = await interleave(streamLog, [one, elsewhere, two], 30);
      const wanted = sent.filter((message) => message.streamId !== elsewhere);
      const reader = await readFrom(after);
      const got = await take(reader, wanted.length);
      expect(got.map(({ streamId, brokerSequence }) => ({ streamId, brokerSequence }))).toEqual(wanted);
      expect(got.every((message) => partitionOf(message.streamId, log.partitions) === PARTITION)).toBe(true);
      await reader.close();
    });

    it("knows how many messages it is behind, down to none", async () => {
      const after = await lastSequence();
      const streamId = inPartition();
      await appendTexts(streamLog, streamId, ["a", "b", "c", "d", "e"]);
      const reader = await readFrom(after, { ...BOUNDS, maxPendingMessages: 2 });
      expect(reader.backlog).toBe(5);
      await take(reader, 2);
      await expect.poll(() => reader.backlog).toBe(3);
      await take(reader, 3);
      expect(reader.backlog).toBe(0);
      await reader.close();
    });

    it("hands out what is published while it reads, and never what stands at or before its start", async () => {
      const streamId = inPartition();
      const [first] = await appendTexts(streamLog, streamId, ["before"]);
      const reader = await readFrom(first!);
      const waiting = take(reader, 1);
      const outcome = await streamLog.append(outgoing({ streamId, expectedLastSequence: first! }));
      expect(outcome).toEqual({ kind: "stored", brokerSequence: (await waiting)[0]?.brokerSequence });
      await reader.close();
    });

    it("reads the same message, byte for byte and to the same millisecond, as a look-up does", async () => {
      const after = await lastSequence();
      const streamId = inPartition();
      await streamLog.append(
        outgoing({
          streamId,
          expectedLastSequence: 0,
          producerSequence: 1,
          options: '{"cache_ttl":9}',
          payload: textPayload("é"),
        }),
      );
      const reader = await readFrom(after);
      const [read] = await take(reader, 1);
      const [page] = await pagesOf(log, streamId, 0, 10);
      const lookedUp = await streamLog.lastMessage(streamId);
      for (const other of [lookedUp, page![0]]) {
        expect({ ...other, payload: Buffer.from(other!.payload) }).toEqual({
          ...read,
          payload: Buffer.from(read!.payload),
        });
      }
      expect(await log.timestampAt(read!.brokerSequence)).toBe(read!.timestampMs);
      await reader.close();
    });

    it("never hands out more than was asked for", async () => {
      const after = await lastSequence();
      const streamId = inPartition();
      await appendTexts(streamLog, streamId, ["a", "b", "c", "d", "e"]);
      const reader = await readFrom(after);
      for (let got = 0; got < 5;) {
        const batch = await reader.next(2);
        expect(batch!.length).toBeGreaterThan(0);
        expect(batch!.length).toBeLessThanOrEqual(2);
        got += batch!.length;
      }
      await reader.close();
    });

    it("hands out everything in order where it is allowed to fetch only little ahead", async () => {
      const after = await lastSequence();
      const streamIds = Array.from({ length: 5 }, () => inPartition());
      const sent = await interleave(streamLog, streamIds, 200);
      const reader = await readFrom(after, { maxPendingMessages: 7, maxPendingBytes: 1 });
      const got = await take(reader, sent.length);
      expect(got.map((message) => message.brokerSequence)).toEqual(
        sent.map((message) => message.brokerSequence),
      );
      await reader.close();
    });

    it("hands out a message of the largest size, and those behind it", async () => {
      const after = await lastSequence();
      const streamId = inPartition();
      const largest = new Uint8Array(streamLog.maxMessageBytes).fill(0x61);
      const first = await streamLog.append(outgoing({ streamId, expectedLastSequence: 0, payload: largest }));
      await streamLog.append(
        outgoing({ streamId, expectedLastSequence: first.kind === "stored" ? first.brokerSequence : -1 }),
      );
      const reader = await readFrom(after, { maxPendingMessages: 10, maxPendingBytes: 1 });
      const sizes = (await take(reader, 2)).map((message) => message.payload.byteLength);
      expect(sizes).toEqual([largest.byteLength, textPayload("hi").byteLength]);
      await reader.close();
    });

    it("resolves a pending read, and each later one, to null once the reader is closed", async () => {
      const reader = await readFrom(await lastSequence());
      const pending = reader.next(10);
      await Promise.all([reader.close(), reader.close()]);
      expect(await pending).toBeNull();
      expect(await reader.next(10)).toBeNull();
    });

    it("lets several readers read the same partition", async () => {
      const after = await lastSequence();
      const readerOne = await readFrom(after);
      const readerTwo = await readFrom(after);
      const positions = await appendTexts(streamLog, inPartition(), ["a", "b", "c"]);
      for (const reader of [readerOne, readerTwo]) {
        const got = await take(reader, 3);
        expect(got.map((message) => message.brokerSequence)).toEqual(positions);
        await reader.close();
      }
    });

    it("says how far the log reaches, when it was created, how old and how full it gets", async () => {
      const before = await log.facts();
      const [position] = await appendTexts(streamLog, inPartition(), ["a"]);
      const facts = await log.facts();
      expect(facts).toMatchObject({ lastSequence: position, createdMs: before.createdMs });
      expect(facts.lastSequence).toBeGreaterThan(before.lastSequence);
      expect(facts.firstSequence).toBeLessThanOrEqual(position!);
      // Positions of a log made anew must be above all of the one before: they start at its time of creation.
      expect(facts.firstSequence).toBeGreaterThanOrEqual(facts.createdMs);
      expect(Math.abs(Date.now() - facts.createdMs)).toBeLessThan(3_600_000);
      expect(facts.maxAgeMs).toBeGreaterThan(0);
      expect(facts.fullness).toBeGreaterThanOrEqual(0);
      expect(facts.fullness).toBeLessThanOrEqual(1);
    });

    it("knows no time of a position that was purged or not reached", async () => {
      const streamId = inPartition();
      const positions = await appendTexts(streamLog, streamId, ["a", "b"]);
      await streamLog.purgeBefore(streamId, positions[1]!);
      expect(await log.timestampAt(positions[0]!)).toBeNull();
      expect(await log.timestampAt(positions[1]! + 1_000)).toBeNull();
    });

    it("finds a position before which all is older than a time, and after which nothing is, in a log with holes", async () => {
      const streamId = inPartition();
      const positions = await appendTexts(
        streamLog,
        streamId,
        Array.from({ length: 20 }, (_, index) => String(index)),
      );
      const hole = inPartition();
      const inHole = await appendTexts(streamLog, hole, ["x", "y", "z", "end"]);
      await streamLog.purgeBefore(hole, inHole[3]!);
      const all = [...positions, inHole[3]!];
      for (const probe of [all[0]!, all[7]!, all[19]!, all[20]!]) {
        const timeMs = await log.timestampAt(probe);
        const found = await log.positionBefore(timeMs!);
        expect(found).toBeLessThan(probe);
        for (const position of all) {
          const isOlder = (await log.timestampAt(position))! < timeMs!;
          expect({ position, isBefore: position <= found }).toEqual({ position, isBefore: isOlder });
        }
      }
      expect(await log.positionBefore(Date.now() + 3_600_000)).toBe(await lastSequence());
      const { firstSequence } = await log.facts();
      expect(await log.positionBefore(0)).toBe(firstSequence - 1);
    });

    it("reads one stream back in pages, oldest first, complete", async () => {
      const [streamId, other] = [inPartition(), inPartition()];
      const sent = await interleave(streamLog, [streamId, other], 46);
      const wanted = sent
        .filter((message) => message.streamId === streamId)
        .map((message) => message.brokerSequence);
      const pages = await pagesOf(log, streamId, 0, 10);
      expect(pages.map((page) => page.length)).toEqual([10, 10, 3]);
      expect(pages.flat().map((message) => message.brokerSequence)).toEqual(wanted);
      const rest = await pagesOf(log, streamId, wanted[4]!, 100);
      expect(rest.flat().map((message) => message.brokerSequence)).toEqual(wanted.slice(5));
    });

    it("reads a stream back only as far as it went when it was asked", async () => {
      const streamId = inPartition();
      const positions = await appendTexts(streamLog, streamId, ["a", "b", "c", "d"]);
      const seen: number[] = [];
      let last = positions[3]!;
      for await (const page of log.readStream(streamId, 0, 1)) {
        seen.push(...page.map((message) => message.brokerSequence));
        const outcome = await streamLog.append(outgoing({ streamId, expectedLastSequence: last }));
        if (outcome.kind === "stored") last = outcome.brokerSequence;
        expect(seen.length).toBeLessThanOrEqual(4);
      }
      expect(seen).toEqual(positions);
    });

    it("reads a stream back without a page where nothing of it is left after the position", async () => {
      expect(await pagesOf(log, inPartition(), 0, 10)).toEqual([]);
      const streamId = inPartition();
      const [position] = await appendTexts(streamLog, streamId, ["a"]);
      expect(await pagesOf(log, streamId, position!, 10)).toEqual([]);
    });

    it("tells the last message of each stream of a partition, and no other's, in log order", async () => {
      const partition = PARTITION + 2;
      const streams = Array.from({ length: 7 }, () => inPartition(partition));
      const sent = await interleave(streamLog, [...streams, inPartition(PARTITION)], 60);
      const wanted = streams
        .map((streamId) => sent.findLast((message) => message.streamId === streamId)!.brokerSequence)
        .toSorted((left, right) => left - right);
      const told = await lastOf(log, partition);
      expect(told.every(({ streamId }) => partitionOf(streamId, log.partitions) === partition)).toBe(true);
      expect(told).toEqual(told.toSorted((left, right) => left.brokerSequence - right.brokerSequence));
      const last = new Map(told.map((message) => [message.streamId, message.brokerSequence]));
      // The log may hold other tests' streams.
      expect(streams.map((streamId) => last.get(streamId)).toSorted((left, right) => left! - right!)).toEqual(
        wanted,
      );
    });

    it("tells all last messages where they are many and large, in pages that are bounded", async () => {
      const partition = PARTITION - 1;
      const streams = Array.from({ length: 1_200 }, () => inPartition(partition));
      const payload = textPayload("x".repeat(20_000));
      await Promise.all(
        streams.map((streamId) => streamLog.append(outgoing({ streamId, expectedLastSequence: 0, payload }))),
      );
      const told = await lastOf(log, partition);
      const toldStreams = new Set(told.map((message) => message.streamId));
      expect(streams.filter((streamId) => !toldStreams.has(streamId))).toEqual([]);
    });

    it("takes the same rejected element twice without complaint, whatever its reason and bytes are", async () => {
      const rejected = {
        streamId: inPartition(),
        brokerSequence: 7,
        index: 0,
        reason: `line one\r\nline two: ünïcode ${"x".repeat(2_000)}`,
        element: new Uint8Array([0, 255, 10]),
      };
      await expect(log.reject(rejected)).resolves.toBeUndefined();
      await expect(log.reject(rejected)).resolves.toBeUndefined();
      const huge = { ...rejected, index: 1, element: new Uint8Array(streamLog.maxMessageBytes + 60_000) };
      await expect(log.reject(huge)).resolves.toBeUndefined();
    });
  });
}

/** Publishes in turn to several streams. @returns where each message stands, in log order */
async function interleave(
  log: StreamLog,
  streamIds: readonly string[],
  count: number,
): Promise<{ streamId: string; brokerSequence: number }[]> {
  const sent: { streamId: string; brokerSequence: number }[] = [];
  const last = new Map<string, number>();
  for (let index = 0; index < count; index++) {
    const streamId = streamIds[index % streamIds.length]!;
    const outcome = await log.append(outgoing({ streamId, expectedLastSequence: last.get(streamId) ?? 0 }));
    if (outcome.kind !== "stored") throw new Error(`append was answered with ${outcome.kind}`);
    last.set(streamId, outcome.brokerSequence);
    sent.push({ streamId, brokerSequence: outcome.brokerSequence });
  }
  return sent;
}

async function take(reader: PartitionReader, count: number): Promise<StoredMessage[]> {
  const got: StoredMessage[] = [];
  while (got.length < count) {
    const batch = await reader.next(count - got.length);
    if (batch === null) throw new Error(`the reader ended after ${got.length} of ${count}`);
    got.push(...batch);
  }
  return got;
}

async function lastOf(log: PartitionLog, partition: number): Promise<StoredMessage[]> {
  const told: StoredMessage[] = [];
  for await (const page of log.lastMessages(partition)) told.push(...page);
  return told;
}

async function pagesOf(
  log: PartitionLog,
  streamId: string,
  after: number,
  pageSize: number,
): Promise<(readonly StoredMessage[])[]> {
  const pages: (readonly StoredMessage[])[] = [];
  for await (const page of log.readStream(streamId, after, pageSize)) pages.push(page);
  return pages;
}

import { randomUUID } from "node:crypto";
import { beforeAll, expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import type { LiveFeed, LiveRange, RebuildAnswer, Subscription, TailAnnouncement } from "@sluice/core";
import { freshStreamId } from "./log-under-test.ts";

/** Two ends of one live feed, on connections of their own. */
export interface LiveFeedUnderTest {
  /** Stands for ingest. */
  owner: LiveFeed;
  /** Stands for an edge. */
  edge: LiveFeed;
  /** Breaks the edge's connection; resolves when it stands again. */
  reconnectEdge(): Promise<void>;
  close(): Promise<void>;
}

const PARTITION = 3;
const DEADLINE_MS = 5_000;

/** Promises of every LiveFeed while nothing is lost. */
export function liveFeedContract(name: string, open: () => Promise<LiveFeedUnderTest>): void {
  describeContract("LiveFeed", name, open, (contract) => {
    let owner: LiveFeed;
    let edge: LiveFeed;
    beforeAll(() => {
      ({ owner, edge } = contract.subject);
    });

    const keep = (subscription: Subscription): Subscription => {
      return contract.keep(subscription);
    };

    /** Makes the owner answer, and waits until the edge's subscriptions made so far are in force. */
    const passBarrier = async (partition = PARTITION): Promise<void> => {
      keep(owner.answerBarriers(partition));
      await expect.poll(() => edge.barrier(partition, 100), { timeout: DEADLINE_MS }).toBe(true);
    };

    it("delivers a stream's ranges in order, with their frames and marks, and no other stream's", async () => {
      const streamId = freshStreamId();
      const got: LiveRange[] = [];
      keep(edge.subscribeRanges(streamId, (range) => got.push(copyOf(range))));
      await passBarrier();
      const ranges: LiveRange[] = [
        { first: 1, last: 2, isTerminal: false, frames: Buffer.from("id: 1\n\nid: 2\n\n") },
        { first: 3, last: 3, isTerminal: false, frames: null },
        { first: 4, last: 4, isTerminal: true, frames: Buffer.from("id: 4\ndata: ☂\n\n") },
      ];
      owner.publishRange(freshStreamId(), ranges[0]!);
      for (const range of ranges) owner.publishRange(streamId, range);
      await expect.poll(() => got.length, { timeout: DEADLINE_MS }).toBe(3);
      expect(got).toEqual(ranges.map(copyOf));
    });

    it("delivers heartbeats in their place among the ranges, to those who ask for them", async () => {
      const streamId = freshStreamId();
      const [all, ranges] = [[] as unknown[], [] as number[]];
      keep(
        edge.subscribeRanges(
          streamId,
          (range) => all.push(range.first),
          (frame) => all.push(Buffer.from(frame).toString()),
        ),
      );
      keep(edge.subscribeRanges(streamId, (range) => ranges.push(range.first)));
      await passBarrier();
      const frame = 'event: heartbeat\ndata: {"☂":1}\n\n';
      owner.publishRange(streamId, announced(1));
      owner.publishHeartbeat(streamId, Buffer.from(frame));
      owner.publishHeartbeat(freshStreamId(), Buffer.from(frame));
      owner.publishRange(streamId, announced(2));
      await expect.poll(() => ranges, { timeout: DEADLINE_MS }).toEqual([1, 2]);
      expect(all).toEqual([1, frame, 2]);
    });

    it("delivers sequences of any size that is exact in a double", async () => {
      const streamId = freshStreamId();
      const got: number[] = [];
      keep(edge.subscribeRanges(streamId, (range) => got.push(range.first, range.last)));
      await passBarrier();
      const first = Number.MAX_SAFE_INTEGER - 1;
      owner.publishRange(streamId, { first, last: first + 1, isTerminal: false, frames: null });
      await expect.poll(() => got, { timeout: DEADLINE_MS }).toEqual([first, first + 1]);
    });

    it("does not call a handler again after its subscription was closed, also from within it", async () => {
      const streamId = freshStreamId();
      const [closed, open] = [[] as number[], [] as number[]];
      const subscription: Subscription = edge.subscribeRanges(streamId, (range) => {
        closed.push(range.first);
        subscription.close();
        subscription.close();
      });
      keep(edge.subscribeRanges(streamId, (range) => open.push(range.first)));
      await passBarrier();
      for (const first of [1, 2, 3]) owner.publishRange(streamId, announced(first));
      await expect.poll(() => open, { timeout: DEADLINE_MS }).toEqual([1, 2, 3]);
      expect(closed).toEqual([1]);
    });

    it.each([2 ** 41 + 1, null])(
      "delivers each stream's beats with what its producer told: %j",
      async (told) => {
        const streamId = freshStreamId();
        const got: (number | null)[] = [];
        keep(owner.subscribeBeats((id, brokerSequence) => id === streamId && got.push(brokerSequence)));
        // Until the subscription has come through, beats are lost, as they may be at any time.
        await expect
          .poll(() => (edge.publishBeat(streamId, told), got.length), { timeout: DEADLINE_MS })
          .toBeGreaterThan(0);
        expect(new Set(got)).toEqual(new Set([told]));
      },
    );

    it("delivers all tails to everyone who asks for tails", async () => {
      const got: TailAnnouncement[] = [];
      keep(edge.subscribeTails((tail) => got.push(tail)));
      await passBarrier();
      const tail = {
        partition: PARTITION,
        term: randomUUID(),
        serial: 7,
        checkpoint: 1_790_000_000_000,
        streams: [{ streamId: freshStreamId(), head: 42, hasEnded: true }],
      };
      owner.publishTail(tail);
      owner.publishTail({ ...tail, partition: PARTITION + 1, serial: 8 });
      await expect.poll(() => got.length, { timeout: DEADLINE_MS }).toBe(2);
      expect(got).toEqual([tail, { ...tail, partition: PARTITION + 1, serial: 8 }]);
    });

    it("lets everything through that is published after a barrier was passed", async () => {
      keep(owner.answerBarriers(PARTITION));
      await passBarrier();
      for (let round = 0; round < 100; round++) {
        const streamId = freshStreamId();
        const got: number[] = [];
        const subscription = edge.subscribeRanges(streamId, (range) => got.push(range.first));
        expect(await edge.barrier(PARTITION, DEADLINE_MS)).toBe(true);
        owner.publishRange(streamId, announced(1));
        await expect.poll(() => got, { timeout: DEADLINE_MS, interval: 1 }).toEqual([1]);
        subscription.close();
      }
    });

    it("passes no barrier of a partition that nobody answers for, and says so within the time given", async () => {
      await passBarrier();
      const startedAt = performance.now();
      expect(await edge.barrier(PARTITION + 1, 50)).toBe(false);
      expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS);
    });

    it("passes no barrier once the owner has stopped to answer", async () => {
      const answering = owner.answerBarriers(PARTITION);
      await expect.poll(() => edge.barrier(PARTITION, 100), { timeout: DEADLINE_MS }).toBe(true);
      answering.close();
      await expect.poll(() => edge.barrier(PARTITION, 50), { timeout: DEADLINE_MS }).toBe(false);
    });

    it("carries a request to rebuild to the owner and its answer back", async () => {
      const streamId = freshStreamId();
      const restored: RebuildAnswer = { kind: "restored", firstAvailable: 5, head: 9, status: "completed" };
      const asked: unknown[] = [];
      keep(
        owner.answerRebuilds(PARTITION, async (id) => {
          asked.push(id);
          return id === streamId ? restored : { kind: "unknown" };
        }),
      );
      await passBarrier();
      expect(await edge.requestRebuild(PARTITION, streamId, DEADLINE_MS)).toEqual(restored);
      expect(await edge.requestRebuild(PARTITION, "other", DEADLINE_MS)).toEqual({ kind: "unknown" });
      expect(asked).toEqual([streamId, "other"]);
    });

    it("answers null where the owner is missing, fails or takes too long to rebuild", async () => {
      expect(await edge.requestRebuild(PARTITION + 1, "a", 50)).toBeNull();
      const never = new Promise<RebuildAnswer>(() => undefined);
      keep(
        owner.answerRebuilds(PARTITION, (streamId) =>
          streamId === "fails" ? Promise.reject(new Error("no")) : never,
        ),
      );
      await passBarrier();
      expect(await edge.requestRebuild(PARTITION, "fails", DEADLINE_MS)).toBeNull();
      expect(await edge.requestRebuild(PARTITION, "slow", 50)).toBeNull();
    });

    it("tells of a reconnect, after which its subscriptions stand again", async () => {
      const streamId = freshStreamId();
      const got: number[] = [];
      let [reconnects, afterClose] = [0, 0];
      keep(edge.subscribeRanges(streamId, (range) => got.push(range.first)));
      keep(edge.onReconnect(() => reconnects++));
      edge.onReconnect(() => afterClose++).close();
      expect(edge.isConnected()).toBe(true);
      await contract.subject.reconnectEdge();
      await expect.poll(() => reconnects, { timeout: DEADLINE_MS }).toBe(1);
      expect(edge.isConnected()).toBe(true);
      expect(afterClose).toBe(0);
      await passBarrier();
      owner.publishRange(streamId, announced(1));
      await expect.poll(() => got, { timeout: DEADLINE_MS }).toEqual([1]);
    });
  });
}

function announced(sequence: number): LiveRange {
  return { first: sequence, last: sequence, isTerminal: false, frames: null };
}

/** Frames may share memory that is used again: what is compared later is copied at once. */
function copyOf(range: LiveRange): LiveRange {
  return { ...range, frames: range.frames === null ? null : Buffer.from(range.frames) };
}

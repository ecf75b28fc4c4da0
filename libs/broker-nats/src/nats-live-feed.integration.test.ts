import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LiveRange } from "@sluice/core";
import { hereSubject, liveSubject, rebuildSubject, tailSubject } from "@sluice/protocol";
import { startNats, freshStreamId } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { connectNats, type NatsLink } from "./nats-connection.ts";
import { NatsLiveFeed } from "./nats-live-feed.ts";

const DEADLINE = { timeout: 5_000 };

describe("the live feed on NATS", () => {
  let server: ServerHandle;
  let link: NatsLink;
  const malformed: string[] = [];
  let feed: NatsLiveFeed;

  beforeAll(async () => {
    server = await startNats({ local: true });
    link = await connectNats({ servers: server.url, name: "live" });
    feed = new NatsLiveFeed(link, { onMalformed: (subject) => malformed.push(subject) });
  });
  afterAll(async () => {
    await link.close();
    await server.stop();
  });

  it("delivers frames that are too large for one message in several, and announces the one that fits in none", async () => {
    const streamId = freshStreamId();
    const got: LiveRange[] = [];
    const subscription = feed.subscribeRanges(streamId, (range) => got.push(range));
    const sizes = [600_000, 700_000, 900_000, 3_000_000, 10];
    const frames = sizes.map((bytes, index) => `id: ${index + 1}\ndata: ${"x".repeat(bytes)}\n\n`);
    const range = { first: 1, last: 5, isTerminal: true, frames: Buffer.from(frames.join("")) };
    feed.publishRange(streamId, range);
    await expect.poll(() => got.at(-1)?.last, DEADLINE).toBe(5);
    expect(got.map(({ first, last, isTerminal }) => [first, last, isTerminal])).toEqual([
      [1, 2, false],
      [3, 3, false],
      [4, 4, false],
      [5, 5, true],
    ]);
    expect(got[2]?.frames).toBeNull();
    expect(Buffer.from(got[0]!.frames!).toString()).toBe(frames[0]! + frames[1]!);
    subscription.close();
  });

  it("drops messages that it can't read, and tells of each", async () => {
    const streamId = freshStreamId();
    const subscriptions = [
      feed.subscribeRanges(streamId, () => expect.unreachable()),
      feed.subscribeTails(() => expect.unreachable()),
      feed.answerRebuilds(1, () => expect.unreachable()),
    ];
    link.connection.publish(liveSubject(streamId), "not a range");
    link.connection.publish(tailSubject(1), '{"partition":"one"}');
    link.connection.publish(rebuildSubject(1), "{");
    await expect
      .poll(() => malformed, DEADLINE)
      .toEqual([liveSubject(streamId), tailSubject(1), rebuildSubject(1)]);
    for (const subscription of subscriptions) subscription.close();
  });

  it("answers a barrier without an owner at once, not after the time-out", async () => {
    const startedAt = performance.now();
    expect(await feed.barrier(9, 20_000)).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(hereSubject(9)).toBe("here.9");
  });

  it("never throws when it publishes on a closed connection", async () => {
    const closed = await connectNats({ servers: server.url, name: "closed" });
    const onClosed = new NatsLiveFeed(closed);
    await closed.close();
    onClosed.publishRange("a", { first: 1, last: 1, isTerminal: false, frames: null });
    onClosed.publishTail({ partition: 1, term: "t", serial: 1, checkpoint: 1, streams: [] });
    expect(onClosed.isConnected()).toBe(false);
    expect(await onClosed.barrier(1, 50)).toBe(false);
    expect(await onClosed.requestRebuild(1, "a", 50)).toBeNull();
  });
});

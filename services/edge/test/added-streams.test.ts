import type { RebuildAnswer } from "@sluice/core";
import { memoryEdgePorts, memoryWorld, type MemoryWorld } from "@sluice/testing";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { eventually, sequencesTo, startBench } from "./edge-bench.ts";
import { connectionIdOf, has, noticesOf, sequencesOf, urlOf } from "./multiplexed.ts";

const start = (world: MemoryWorld) => startBench(memoryEdgePorts(world));

function change(
  bench: { url: string },
  method: string,
  connectionId: string,
  rest: string,
): Promise<Response> {
  return fetch(`${bench.url}/connections/${connectionId}/streams/${rest}`, { method });
}

describe("a stream", () => {
  /** Two servers, and a connection of stream `a` at the first. */
  async function startTwo(answer: () => Promise<RebuildAnswer> = async () => ({ kind: "unknown" })) {
    const world = memoryWorld();
    const stack = new AsyncDisposableStack();
    const first = stack.use(await start(world));
    const second = stack.use(await start(world));
    first.ingest.answerRebuilds(answer);
    for (const id of ["a", "b", "c"]) await first.ingest.create(id);
    await first.ingest.publish("b", ["1", "2", "3"]);
    const reader = await first.open(urlOf(["a"]));
    await reader.until("the opening", () => reader.lastEventId === "0");
    return {
      first,
      second,
      reader,
      id: connectionIdOf(reader),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  }

  test("is added to an open connection through any server, from a position", async () => {
    await using two = await startTwo();
    const { first, second, reader, id } = two;
    expect((await change(second, "POST", id, "b?from=2")).status).toBe(204);
    await has(reader, "b", 3);
    expect(sequencesOf(reader, "b")).toEqual([2, 3]);
    expect(noticesOf(reader)).toEqual([{ stream_id: "b", state: "following", sequence: 1 }]);
    expect((await change(first, "POST", id, "c")).status).toBe(204);
    await first.ingest.publish("c", ["1"]);
    await has(reader, "c", 1);
    await reader.until("the position", () => reader.lastEventId === "0,b:3,c:1");
  });

  test("that was added, and one that was dropped, are so after a reconnect as well", async () => {
    await using two = await startTwo();
    const { first, second, reader, id } = two;
    await change(second, "POST", id, "b");
    await has(reader, "b", 3);
    expect((await change(second, "DELETE", id, "a")).status).toBe(204);
    await reader.until("the position", () => reader.lastEventId === "-,b:3");
    expect(noticesOf(reader).at(-1)).toEqual({ stream_id: "a", state: "dropped", sequence: 0 });
    reader.close();
    await first.ingest.publish("a", ["x"]);
    await first.ingest.publish("b", ["4"]);
    const resumed = await second.open(urlOf(["a"]), { "Last-Event-ID": reader.lastEventId });
    await has(resumed, "b", 4);
    expect(sequencesOf(resumed, "b")).toEqual([4]);
    expect(sequencesOf(resumed, "a")).toEqual([]);
  });

  test("that was dropped comes again where it is added again", async () => {
    await using two = await startTwo();
    const { first, reader, id } = two;
    await change(first, "DELETE", id, "a");
    await first.ingest.publish("a", ["1"]);
    expect((await change(first, "POST", id, "a")).status).toBe(204);
    await has(reader, "a", 1);
    await reader.until("the position", () => reader.lastEventId === "1");
  });

  test.each([
    ["one that it carries", "POST", "", "a", 409, "ALREADY_FOLLOWED"],
    ["one that isn't there", "POST", "", "none", 404, "STREAM_NOT_FOUND"],
    ["a bad id", "POST", "", "a.b", 400, "INVALID_STREAM_ID"],
    ["one that it doesn't carry, to drop", "DELETE", "", "b", 404, "STREAM_NOT_FOUND"],
    ["a connection that nobody has", "POST", "12345678.1234567890123456", "b", 404, "CONNECTION_NOT_FOUND"],
    ["what is no connection id", "DELETE", "mine", "b", 404, "CONNECTION_NOT_FOUND"],
  ])(
    "is refused in the same way at both servers for %s",
    async (_what, method, other, streamId, status, code) => {
      await using two = await startTwo();
      for (const bench of [two.first, two.second]) {
        const response = await change(bench, method, other || two.id, streamId);
        expect(response.status).toBe(status);
        expect(await response.json()).toMatchObject({ code });
      }
      expect(two.first.edge.counts().subscribers).toBe(1);
    },
  );

  const BOTH = [
    ["one server", "first"],
    ["two servers", "second"],
  ] as const;

  test.each(BOTH)(
    "that is added twice at once through %s is added once, and arrives once",
    async (_what, other) => {
      await using two = await startTwo();
      const { first, reader, id } = two;
      for (let head = 4; head <= 100; head++) {
        const adding = [first, two[other]].map((bench) => change(bench, "POST", id, "b?from=1"));
        // Published while it is being added: it comes from the page or live, not from both.
        await first.ingest.publish("b", ["x"]);
        const statuses = (await Promise.all(adding)).map(({ status }) => status);
        expect(new Set(statuses)).toEqual(new Set([204, 409]));
        await has(reader, "b", head);
        expect((await change(first, "DELETE", id, "b")).status).toBe(204);
        await reader.until("it to be dropped", () => noticesOf(reader).at(-1)?.state === "dropped");
        expect(noticesOf(reader).map(({ state }) => state)).toEqual(["following", "dropped"]);
        expect(sequencesOf(reader, "b")).toEqual(sequencesTo(head));
        reader.events.length = 0;
      }
      expect(first.edge.counts().subscribers).toBe(1);
    },
  );

  test.each(BOTH)(
    "that is added and dropped at once through %s is followed or not, never half",
    async (_what, other) => {
      await using two = await startTwo();
      const { first, reader, id } = two;
      const readPage = first.cache.readPage.bind(first.cache);
      first.cache.readPage = async (...args) => {
        await delay(2);
        return readPage(...args);
      };
      /** By whether it was followed, and the answers to POST and DELETE: whether it is followed now. */
      const outcomes: Record<string, boolean> = {
        "false 204 404": true,
        "false 204 204": false,
        "true 409 204": false,
        "true 204 204": true,
      };
      const seen = new Set<string>();
      const expected: number[] = [];
      let isFollowed = false;
      for (let head = 4; head <= 100; head++) {
        const add = (): Promise<Response> => change(first, "POST", id, `b?from=${head}`);
        const drop = (): Promise<Response> => change(two[other], "DELETE", id, "b");
        const isAddedFirst = Math.random() < 0.5;
        const sooner = isAddedFirst ? add() : drop();
        await delay(Math.random() * 4);
        const later = isAddedFirst ? drop() : add();
        const [added, dropped] = await Promise.all(isAddedFirst ? [sooner, later] : [later, sooner]);
        const outcome: string = `${isFollowed} ${added.status} ${dropped.status}`;
        expect(Object.keys(outcomes)).toContain(outcome);
        seen.add(outcome);
        isFollowed = outcomes[outcome] === true;
        expect(first.edge.counts().subscribers).toBe(isFollowed ? 2 : 1);
        await first.ingest.publish("b", ["x"]);
        if (!isFollowed) continue;
        expected.push(head);
        await has(reader, "b", head);
      }
      expect(seen.size).toBe(4);
      expect(sequencesOf(reader, "b")).toEqual(expected);
    },
  );

  test("isn't added to a connection of one stream, nor to one that has ended", async () => {
    await using two = await startTwo();
    const { first, reader, id } = two;
    const single = await first.open("/streams/a/events");
    const response = await change(first, "POST", connectionIdOf(single), "b");
    expect(response.status).toBe(400);
    reader.close();
    await eventually("it to be gone", () => first.edge.counts().connections === 1);
    expect((await change(first, "POST", id, "b")).status).toBe(404);
  });

  test("is no more added than fit into the position", async () => {
    await using two = await startTwo();
    const { first, id } = two;
    let refused: Response | null = null;
    for (let count = 0; refused === null; count++) {
      const streamId = `${"x".repeat(120)}${count}`;
      await first.ingest.create(streamId);
      const response = await change(first, "POST", id, streamId);
      if (response.status !== 204) refused = response;
      expect(count).toBeLessThan(16);
    }
    expect(refused.status).toBe(400);
  });

  test("that is refused after all others have ended doesn't keep the connection open", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<RebuildAnswer>();
    await using two = await startTwo(() => {
      asked.resolve();
      return answer.promise;
    });
    const { first, reader, id } = two;
    const adding = change(first, "POST", id, "none");
    await asked.promise;
    await first.ingest.publish("a", [], "completed");
    await reader.until("a's end", () => noticesOf(reader).some(({ state }) => state === "ended"));
    answer.resolve({ kind: "unknown" });
    expect((await adding).status).toBe(404);
    await reader.untilEnd();
    expect(sequencesOf(reader, "a")).toEqual([1]);
  });
});

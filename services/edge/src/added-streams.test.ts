import { memoryEdgePorts, memoryWorld, type MemoryWorld } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import { eventually, startBench } from "./test-bench.ts";
import { connectionIdOf, has, noticesOf, sequencesOf, urlOf } from "./test-many.ts";

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
  async function startTwo() {
    const world = memoryWorld();
    const stack = new AsyncDisposableStack();
    const first = stack.use(await start(world));
    const second = stack.use(await start(world));
    first.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
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
      expect(two.first.edge.census().subscribers).toBe(1);
    },
  );

  test("isn't added to a connection of one stream, nor to one that has ended", async () => {
    await using two = await startTwo();
    const { first, reader, id } = two;
    const single = await first.open("/streams/a/events");
    const response = await change(first, "POST", connectionIdOf(single), "b");
    expect(response.status).toBe(400);
    reader.close();
    await eventually("it to be gone", () => first.edge.census().connections === 1);
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
});

import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { connectNats } from "@sluice/broker-nats";
import { startNats, startFaultProxy } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { ObservedLog } from "./log-under-fault.ts";
import {
  connectProducer,
  createManager,
  type ProducerSettings,
  type StreamHandle,
  type StreamManager,
} from "./index.ts";

let server: ServerHandle;
let log: ObservedLog;
let managers: StreamManager[];

beforeAll(async () => {
  server = await startNats({ local: true, syncInterval: "always" });
});
afterAll(async () => {
  await server.stop();
});
beforeEach(async () => {
  managers = [];
  log = await ObservedLog.open(server.url);
});
afterEach(async () => {
  await Promise.all(managers.map((manager) => manager.close()));
  await log.link.close();
});

async function connect(
  settings: Partial<ProducerSettings> = {},
  servers = server.url,
): Promise<StreamManager> {
  const manager = await connectProducer({ servers, settings });
  managers.push(manager);
  return manager;
}

/** Sends without a pause until told to stop, several at a time. @returns what was sent, all of it acknowledged */
async function sendUntil(handle: StreamHandle, isOver: () => boolean): Promise<string[]> {
  const sent: string[] = [];
  while (!isOver()) {
    const burst = Array.from({ length: 5 }, (_, index) => String(sent.length + index));
    sent.push(...burst);
    const receipts = await Promise.all(burst.map((content) => handle.sendText(content)));
    const last = receipts.at(-1)?.sequence;
    if (last !== sent.length) throw new Error(`chunk ${sent.length} was acknowledged as ${last}`);
  }
  return sent;
}

/** Writes twenty streams while faults happen. @returns what was sent on each, and what the log has of it */
async function writeThrough(
  manager: StreamManager,
  faults: () => Promise<void>,
): Promise<{ sent: string[][]; stored: string[][] }> {
  const streams = await Promise.all(Array.from({ length: 20 }, () => manager.createStream()));
  let isOver = false;
  const sending = Promise.all(streams.map(({ handle }) => sendUntil(handle, () => isOver)));
  await faults();
  isOver = true;
  const sent = await sending;
  await Promise.all(streams.map(({ handle }) => handle.sendComplete()));
  return { sent, stored: await Promise.all(streams.map(({ streamId }) => log.readTexts(streamId))) };
}

test("through kills, restarts and pauses of the server every chunk is stored once and in order", async () => {
  const manager = await connect({ publishTimeoutMs: 60_000 });
  const { sent, stored } = await writeThrough(manager, async () => {
    for (const fault of ["kill", "pause", "kill", "pause"] as const) {
      await delay(300);
      if (fault === "kill") {
        await server.kill();
        await server.restart();
      } else {
        await server.pause();
        // Longer than a publish waits for its answer: what was on its way is in doubt, and is stored.
        await delay(2_500);
        await server.resume();
      }
    }
    await delay(300);
  });
  expect(stored).toEqual(sent);
  expect(Math.min(...sent.map((texts) => texts.length))).toBeGreaterThan(20);
});

test("through lost answers and cut connections at random moments every chunk is stored once and in order", async () => {
  await using proxy = await startFaultProxy(server.url);
  const manager = await connect({ publishTimeoutMs: 60_000 }, proxy.url);
  const { sent, stored } = await writeThrough(manager, async () => {
    for (let round = 0; round < 15; round++) {
      await delay(300 + Math.random() * 100);
      proxy.loseAnswers();
      await delay(Math.random() * 40);
      proxy.cut();
    }
  });
  expect(stored).toEqual(sent);
  expect(Math.min(...sent.map((texts) => texts.length))).toBeGreaterThan(20);
});

test("while there is no server a send fails in time, surely not stored; afterwards the handle goes on", async () => {
  const manager = await connect({ publishTimeoutMs: 1_000 });
  const { streamId, handle } = await manager.createStream();
  await handle.sendText("before");
  await server.kill();
  const startedAt = performance.now();
  await expect(handle.sendText("lost")).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  expect(performance.now() - startedAt).toBeLessThan(1_500);
  await server.restart();
  const sendAfter = (): Promise<number | null> =>
    handle.sendText("after").then(
      ({ sequence }) => sequence,
      () => null,
    );
  let sequence: number | null = null;
  await expect.poll(async () => (sequence = await sendAfter()), { timeout: 20_000 }).not.toBeNull();
  const texts = await log.readTexts(streamId);
  expect(texts[0]).toBe("before");
  // One of them may have been in doubt, and is stored.
  expect(texts.slice(1).every((content) => content === "after")).toBe(true);
  expect(sequence).toBe(texts.length);
});

test("a send to a server that has stopped answering is in doubt, and never stored after the next one", async () => {
  const manager = await connect({ publishTimeoutMs: 500 });
  const { streamId, handle } = await manager.createStream();
  await server.pause();
  const doubtful = { code: "LOG_UNAVAILABLE", details: { may_be_stored: true } };
  await expect(handle.sendText("doubtful")).rejects.toMatchObject(doubtful);
  await server.resume();
  await expect
    .poll(
      () =>
        handle.sendText("next").then(
          () => "stored",
          () => null,
        ),
      { timeout: 20_000 },
    )
    .toBe("stored");
  const texts = await log.readTexts(streamId);
  expect(texts.at(-1)).toBe("next");
  expect(["next", "doubtful,next"]).toContain(texts.join());
});

test("a handle that another process has replaced is fenced, at once and for good", async () => {
  const [first, second] = [await connect(), await connect()];
  const { streamId, handle: old } = await first.createStream();
  await old.sendText("old");
  const current = await second.openStream(streamId);
  await expect(old.sendText("too late")).rejects.toMatchObject({ code: "FENCED" });
  expect(await current.sendText("new")).toMatchObject({ sequence: 2 });
  expect(await log.readTexts(streamId)).toEqual(["old", "new"]);
});

test("shared handles of two processes append to one stream without losing or doubling any chunk", async () => {
  const [first, second] = [await connect(), await connect()];
  const { streamId } = await first.createStream();
  const handles = await Promise.all(
    [first, second].map((manager) => manager.openStream(streamId, { mode: "shared" })),
  );
  const sends = handles.map(async (handle, writer) => {
    for (let number = 0; number < 100; number++) await handle.sendAll(textPair(writer, number));
  });
  await Promise.all(sends);
  const texts = await log.readTexts(streamId);
  expect(texts.length).toBe(400);
  for (const writer of [0, 1]) {
    const own = texts.filter((content) => content.startsWith(`${writer}/`));
    expect(own).toEqual(
      Array.from({ length: 100 }, (_, number) => textPair(writer, number))
        .flat()
        .map(({ content }) => content),
    );
  }
  expect(texts.every((content, at) => at % 2 === 0 || texts[at - 1] === content.replace("b", "a"))).toBe(
    true,
  );
});

function textPair(writer: number, number: number) {
  return ["a", "b"].map((half) => ({ type: "Text" as const, content: `${writer}/${number}${half}` }));
}

test("a worker that drains its connection has what it sends after refused, confirmed or not, and can close", async () => {
  const link = await connectNats({ servers: server.url, name: "worker" });
  const manager = await createManager(link, { settings: { publishTimeoutMs: 200 } });
  const { streamId, handle } = await manager.createStream();
  await handle.sendText("before");
  const drained = link.connection.drain();
  const confirmed = handle.send({ type: "Text", content: "after" }, { confirm: "sequenced" });
  await expect(confirmed).rejects.toMatchObject({ code: "CONNECTION" });
  await expect(handle.sendText("after")).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  await manager.close();
  await drained;
  expect(await log.readTexts(streamId)).toEqual(["before"]);
});

test("a deleted stream leaves its tombstone, which the id can't be used beside", async () => {
  const manager = await connect();
  const streamId = randomUUID();
  const { handle } = await manager.createStream({ streamId, options: { cache_ttl: 60 } });
  await handle.sendText("secret");
  await handle.sendComplete();
  await manager.deleteStream(streamId);
  expect(await log.readMessages(streamId)).toMatchObject([{ control: "delete", producerSequence: 3 }]);
  await expect(manager.createStream({ streamId })).rejects.toMatchObject({ code: "STREAM_DELETED" });
  await expect(manager.openStream(streamId)).rejects.toMatchObject({ code: "STREAM_DELETED" });
});

test("a chunk of 1 MiB is stored, and what is sent together up to what the server takes", async () => {
  const manager = await connect();
  const { streamId, handle } = await manager.createStream();
  const around = '{"chunk_type":{"type":"Text","content":""}}'.length;
  await handle.sendText("x".repeat(1024 * 1024 - around));
  await handle.sendAll([1, 2, 3].map(() => ({ type: "Text" as const, content: "y".repeat(600_000) })));
  expect((await log.readTexts(streamId)).map((content) => content.length)).toEqual([
    1024 * 1024 - around,
    600_000,
    600_000,
    600_000,
  ]);
});

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connectNats } from "@sluice/broker-nats";
import { createResumableStreamContext } from "@sluice/drop-ins/resumable-stream";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { Redis } from "ioredis";
import { createResumableStreamContext as createTheirs } from "resumable-stream/ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startStack, type Stack } from "./stack.ts";

type Context = ReturnType<typeof createTheirs>;

let stack: Stack;
let producer: StreamManager;
const redis: Redis[] = [];
let ours: Context;
let theirs: Context;
/** What the contexts keep the process alive for. */
const written: Promise<unknown>[] = [];

beforeAll(async () => {
  stack = await startStack({ ingest: 1, edges: 2 });
  producer = await connectProducer({ servers: stack.natsUrl });
  const waitUntil = (promise: Promise<unknown>): void => void written.push(promise.catch(() => undefined));
  ours = createResumableStreamContext({ producer, edgeUrl: stack.edgeUrl, waitUntil });
  redis.push(new Redis(stack.redis.url), new Redis(stack.redis.url));
  const [publisher, subscriber] = redis;
  theirs = createTheirs({ waitUntil, publisher: publisher!, subscriber: subscriber! });
});

afterAll(async () => {
  for (const connection of redis) connection.disconnect();
  await producer.close();
  await stack.stop();
});

/** A source that says what it is told, when it is told. */
function speaker() {
  let controller!: ReadableStreamDefaultController<string>;
  let made = 0;
  const stream = new ReadableStream<string>({ start: (own) => void (controller = own) });
  return {
    makeStream: () => {
      made++;
      return stream;
    },
    say: (text: string) => controller.enqueue(text),
    end: () => controller.close(),
    get made() {
      return made;
    },
  };
}

type Read = ReadableStream<string> | null | undefined;

/** All of a stream, or what stands for none. */
async function textOf(stream: Read): Promise<string | null | undefined> {
  if (!stream) return stream;
  let text = "";
  for await (const piece of stream) text += piece;
  return text;
}

/** Reads until the text is that long. */
async function readAtLeast(stream: Read, characters: number): Promise<ReadableStreamDefaultReader<string>> {
  const reader = stream!.getReader();
  let length = 0;
  while (length < characters) length += (await reader.read()).value?.length ?? Infinity;
  return reader;
}

const finished = async (context: Context, id: string): Promise<void> => {
  await expect.poll(() => context.hasExistingStream(id), { timeout: 20_000 }).toBe("DONE");
};

/** Each is run with both contexts; what it returns must be equal, and is what the package is relied upon for. */
const scenarios: [name: string, run: (context: Context, id: string) => Promise<unknown>, result: unknown][] =
  [
    [
      "an unknown stream is neither there nor resumed",
      async (context, id) => [await context.hasExistingStream(id), await context.resumeExistingStream(id)],
      [null, undefined],
    ],
    [
      "a stream reaches its first reader as it is made",
      async (context, id) => {
        const { makeStream, say, end } = speaker();
        const stream = await context.resumableStream(id, makeStream);
        say("Hel");
        say("lo 👋");
        end();
        return textOf(stream);
      },
      "Hello 👋",
    ],
    [
      "a running stream is resumed from its beginning, and not made again",
      async (context, id) => {
        const source = speaker();
        const first = await context.resumableStream(id, source.makeStream);
        source.say("one ");
        await (await readAtLeast(first, 4)).cancel();
        const state = await context.hasExistingStream(id);
        const again = await context.resumableStream(id, source.makeStream);
        const existing = await context.resumeExistingStream(id);
        const texts = Promise.all([textOf(again), textOf(existing)]);
        source.say("two");
        source.end();
        return { state, texts: await texts, made: source.made };
      },
      { state: true, texts: ["one two", "one two"], made: 1 },
    ],
    [
      "a running stream is resumed after the characters that the reader has",
      async (context, id) => {
        const source = speaker();
        const first = await context.resumableStream(id, source.makeStream);
        source.say("👋 one ");
        await (await readAtLeast(first, 7)).cancel();
        const texts = Promise.all([
          textOf(await context.resumableStream(id, source.makeStream, 3)),
          textOf(await context.resumeExistingStream(id, 7)),
          textOf(await context.resumeExistingStream(id, 0)),
        ]);
        source.say("two");
        source.end();
        return texts;
      },
      ["one two", "two", "👋 one two"],
    ],
    [
      "a finished stream is done, for all who ask",
      async (context, id) => {
        const { makeStream, say, end } = speaker();
        const text = textOf(await context.createNewResumableStream(id, makeStream));
        say("all of it");
        end();
        await text;
        await finished(context, id);
        const unused = speaker();
        return [
          await context.resumeExistingStream(id),
          await context.resumeExistingStream(id, 3),
          await context.resumableStream(id, unused.makeStream),
          unused.made,
        ];
      },
      [null, null, null, 0],
    ],
    [
      "a stream is written to its end though its reader has gone",
      async (context, id) => {
        const { makeStream, say, end } = speaker();
        const first = await context.resumableStream(id, makeStream);
        say("a");
        await (await readAtLeast(first, 1)).cancel();
        say("b");
        end();
        await finished(context, id);
        return context.resumeExistingStream(id);
      },
      null,
    ],
    [
      "an id can be used anew once its stream has finished",
      async (context, id) => {
        const results: unknown[] = [];
        for (const words of ["first", "second", "third"]) {
          const { makeStream, say, end } = speaker();
          const stream = await context.createNewResumableStream(id, makeStream);
          results.push(await context.hasExistingStream(id));
          const resumed = await context.resumeExistingStream(id);
          const texts = Promise.all([textOf(stream), textOf(resumed)]);
          say(words);
          end();
          results.push(...(await texts));
          await finished(context, id);
        }
        return results;
      },
      [true, "first", "first", true, "second", "second", true, "third", "third"],
    ],
    [
      "ids may hold any characters",
      async (context, id) => {
        const { makeStream, say, end } = speaker();
        const strange = `${id}/ü:?--2`;
        const text = textOf(await context.resumableStream(strange, makeStream));
        const resumed = textOf(await context.resumeExistingStream(strange));
        say("ok");
        end();
        return [await text, await resumed, await context.resumeExistingStream(id)];
      },
      ["ok", "ok", undefined],
    ],
  ];

describe("a context like resumable-stream's", () => {
  it.each(scenarios)("answers as the package does: %s", async (name, run, result) => {
    const id = name.replaceAll(/\W+/g, "-");
    expect({ by: "the package", result: await run(theirs, id) }).toEqual({ by: "the package", result });
    expect({ by: "Sluice", result: await run(ours, id) }).toEqual({ by: "Sluice", result });
  });

  it("has the functions and types of the package", () => {
    const create: typeof createTheirs = createResumableStreamContext;
    expect(Object.keys(create({ waitUntil: null })).toSorted()).toEqual(Object.keys(theirs).toSorted());
  });

  it("ends a stream whose source fails, where the package leaves readers waiting", async () => {
    let controller!: ReadableStreamDefaultController<string>;
    const source = new ReadableStream<string>({ start: (own) => void (controller = own) });
    const text = textOf(await ours.resumableStream("failing", () => source));
    controller.error(new Error("password is 1234"));
    await expect(text).rejects.toThrow("SOURCE_FAILED");
    await expect(text).rejects.not.toThrow("1234");
    await finished(ours, "failing");
  });

  it("tells of a stream right after its creation, whichever edge is asked: 100 of 100, its id asked for before or not", async () => {
    // As another process of the application does.
    const other = createResumableStreamContext({ producer, edgeUrl: stack.edgeUrl, waitUntil: null });
    const create = async (number: number): Promise<unknown> => {
      const id = `own-write-${number}`;
      const before = number % 2 === 0 ? null : await other.hasExistingStream(id);
      const source = speaker();
      const make = number % 3 === 0 ? ours.resumableStream : ours.createNewResumableStream;
      const stream = await make(id, source.makeStream);
      const has = await Promise.all([ours, other].map((context) => context.hasExistingStream(id)));
      const resumed = await Promise.all([ours, other].map((context) => context.resumeExistingStream(id)));
      const texts = Promise.all([stream, ...resumed].map(textOf));
      source.say("all of it");
      source.end();
      return [before, has, await texts];
    };
    const found: unknown[] = [];
    for (let number = 0; number < 100; number += 10)
      found.push(...(await Promise.all(Array.from({ length: 10 }, (_, index) => create(number + index)))));
    const right = [null, [true, true], ["all of it", "all of it", "all of it"]];
    expect(found).toEqual(Array.from({ length: 100 }, () => right));
  });

  it("creates a stream once, however many ask for it at once", async () => {
    const source = speaker();
    const streams = await Promise.all(
      Array.from({ length: 5 }, () => ours.resumableStream("contended", source.makeStream)),
    );
    const texts = Promise.all(streams.map(textOf));
    source.say("once");
    source.end();
    expect(await texts).toEqual(Array.from({ length: 5 }, () => "once"));
    expect(source.made).toBe(1);
  });

  it("knows a finished stream by its record, when the log has long forgotten it", async () => {
    const source = speaker();
    const text = textOf(await ours.resumableStream("long-ago", source.makeStream));
    source.end();
    await text;
    await finished(ours, "long-ago");
    const link = await connectNats({ servers: stack.natsUrl, name: "time" });
    const purged = await link.jetStreamManager.streams.purge("CHUNKS", {
      filter: "chunk.*.resumable-stream--long-ago",
    });
    await link.close();
    expect(purged.purged).toBeGreaterThan(0);

    const anew = speaker();
    expect(await ours.resumableStream("long-ago", anew.makeStream)).toBeNull();
    expect(anew.made).toBe(0);
    await expect(producer.createStream({ streamId: "resumable-stream--long-ago" })).rejects.toMatchObject({
      code: "STREAM_EXISTS",
    });
    const second = textOf(await ours.createNewResumableStream("long-ago", anew.makeStream));
    anew.say("again");
    anew.end();
    expect([await second, anew.made]).toEqual(["again", 1]);
  });

  it("writes the stream though its edge refuses everybody", async () => {
    const refusing = createServer((_request, response) => {
      response.writeHead(503, { "content-type": "text/html" }).end("<h1>draining</h1>");
    });
    await new Promise<void>((resolve) => refusing.listen(0, "127.0.0.1", resolve));
    const { port } = refusing.address() as AddressInfo;
    const elsewhere = createResumableStreamContext({
      producer,
      edgeUrl: `http://127.0.0.1:${port}`,
      waitUntil: (promise) => void written.push(promise),
    });
    const source = speaker();
    await (await elsewhere.resumableStream("unseen", source.makeStream))?.cancel();
    source.say("all of it");
    source.end();
    await Promise.all(written);
    refusing.close();
    await finished(ours, "unseen");
    const told = await fetch(`${stack.edgeUrl}/streams/resumable-stream--unseen/chunks`);
    expect(await told.text()).toContain("all of it");
  });

  it("outlives the process that wrote it: another one resumes it", async () => {
    const other = createResumableStreamContext({ producer, edgeUrl: stack.edgeUrl, waitUntil: null });
    const source = speaker();
    await (await ours.resumableStream("elsewhere", source.makeStream))?.cancel();
    const text = textOf(await other.resumeExistingStream("elsewhere"));
    source.say("x".repeat(300_000));
    source.end();
    expect(await text).toBe("x".repeat(300_000));
  });
});

import { memoryEdgePorts } from "@sluice/testing";
import { EventSource } from "eventsource";
import { describe, expect, test } from "vitest";
import { eventually, sequencesTo, startBench } from "./edge-bench.ts";

function start() {
  return startBench(memoryEdgePorts(), { retryMs: 20 });
}

interface OriginalChunk {
  sequence: number;
  chunk_type: { type: string };
}

const CHUNK_EVENTS = ["text", "json", "event", "progress"];

/** A client of the original client API: a new EventSource with a token of its own making after each connection error. */
class OriginalClient {
  readonly chunks: OriginalChunk[] = [];
  isComplete = false;
  connections = 0;
  readonly #url: string;
  readonly #streamId: string;
  #source: EventSource | null = null;
  #lastSequence = 0;
  #resumeToken: string | null = null;

  constructor(url: string, streamId: string) {
    this.#url = url;
    this.#streamId = streamId;
    this.#connect();
  }

  /** What a network does: the client sees a connection error. */
  handleConnectionError(): void {
    this.close();
    if (this.isComplete) return;
    this.#resumeToken = btoa(`${this.#streamId}:${this.#lastSequence}`);
    this.#connect();
  }

  close(): void {
    this.#source?.close();
    this.#source = null;
  }

  #connect(): void {
    this.connections++;
    const url = new URL(`${this.#url}/stream`);
    url.searchParams.set("stream_id", this.#streamId);
    if (this.#resumeToken !== null) url.searchParams.set("resume_token", this.#resumeToken);
    const source = new EventSource(url);
    this.#source = source;
    for (const name of CHUNK_EVENTS) {
      source.addEventListener(name, (event) => this.#handle(event.data as string));
    }
    source.addEventListener("complete", (event) => {
      this.#handle(event.data as string);
      this.isComplete = true;
      this.close();
    });
    source.addEventListener("error", (event) => {
      if ("data" in event && typeof event.data === "string") this.#handle(event.data);
      else if (this.#source === source) this.handleConnectionError();
    });
  }

  #handle(data: string): void {
    const chunk = JSON.parse(data) as OriginalChunk;
    this.#lastSequence = chunk.sequence;
    this.chunks.push(chunk);
  }
}

describe("a client of the original API", () => {
  test("reads a stream to its end", async () => {
    await using bench = await start();
    await bench.ingest.create("stream-id-123");
    await bench.ingest.publish("stream-id-123", ["a", "b"]);
    const client = new OriginalClient(bench.url, "stream-id-123");
    await eventually("two chunks", () => client.chunks.length === 2);
    await bench.ingest.publish("stream-id-123", ["c"], "completed");
    await eventually("the end", () => client.isComplete);
    expect(client.chunks.map((chunk) => chunk.sequence)).toEqual([1, 2, 3, 4]);
    expect(client.chunks.at(-1)?.chunk_type.type).toBe("Complete");
  });

  test("resumes with the token it makes itself, through many cuts, without a loss or a double", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    const client = new OriginalClient(bench.url, "s");
    for (let count = 1; count <= 60; count++) {
      await bench.ingest.publish("s", ["x"]);
      if (count % 7 === 0) client.handleConnectionError();
      if (count % 10 === 0) await eventually("it to follow", () => client.chunks.length === count);
    }
    await bench.ingest.publish("s", [], "completed");
    await eventually("the end", () => client.isComplete);
    expect(client.chunks.map((chunk) => chunk.sequence)).toEqual(sequencesTo(61));
    expect(client.connections).toBeGreaterThan(5);
  });
});

describe("a plain EventSource", () => {
  test("comes again by itself after a drain, and stops for good at the end", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["a"]);
    const ids: string[] = [];
    let requests = 0;
    const source = new EventSource(`${bench.url}/stream?stream_id=s&resume_token=${btoa("s:0")}`, {
      fetch: (url, init) => {
        requests++;
        return fetch(url, init);
      },
    });
    for (const name of ["text", "complete"])
      source.addEventListener(name, (event) => ids.push(event.lastEventId));
    await eventually("the first chunk", () => ids.length === 1);
    await bench.ingest.publish("s", ["b"], "completed");
    // The response has ended: it comes again with its last id, is told 204, and is over.
    await eventually("it to be over", () => source.readyState === source.CLOSED);
    expect(ids).toEqual(["1", "2", "3"]);
    expect(requests).toBe(2);
  });
});

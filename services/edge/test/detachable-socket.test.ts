import { once } from "node:events";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { memoryEdgePorts } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, startBench } from "./edge-bench.ts";

function start(settings: Partial<EdgeSettings> = {}) {
  return startBench(memoryEdgePorts(), settings);
}

/** A client that writes what it likes, and keeps what it gets. */
async function connectTo(url: string, text = ""): Promise<Socket & { received: () => string }> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  let received = "";
  socket.setEncoding("latin1").on("data", (data: string) => (received += data));
  await once(socket, "connect");
  socket.write(text);
  return Object.assign(socket, { received: () => received });
}

const EVENTS = "GET /streams/s/events HTTP/1.1\r\nHost: edge\r\n\r\n";

describe("a stream of events", () => {
  test("comes in chunks to HTTP/1.1, and its end is told apart from a cut", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["a"], "completed");
    const client = await connectTo(bench.url, EVENTS);
    await once(client, "end");
    const [head = "", body = ""] = client.received().split(/\r\n\r\n(.*)/s);
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(head).toMatch(/^transfer-encoding: chunked\r?$/im);
    // Node 20's fetch takes a cut for the end where it reads "close".
    expect(head).not.toMatch(/^(connection|keep-alive):/im);
    expect(head).toMatch(/^date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r?$/im);
    expect(body).toMatch(/^[\da-f]+\r\nretry: \d+\n\n/);
    expect(body).toMatch(/\n\n\r\n0\r\n\r\n$/);
    client.destroy();
  });

  test("that its server gives up breaks off after all that was sent: only the end of the stream ends cleanly", async () => {
    await using bench = await start({ drainTimeoutMs: 50 });
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["a"]);
    const client = await connectTo(bench.url, EVENTS);
    await eventually("the chunk", () => client.received().includes("id: 1\n"));
    const draining = bench.edge.drain();
    await once(client, "end");
    await draining;
    expect(client.received()).toMatch(/retry: \d+\n\n\r\n$/);
    client.destroy();
    const refused = await connectTo(bench.url, EVENTS.replace("Host", "Accept: text/event-stream\r\nHost"));
    await once(refused, "end");
    expect(refused.received()).toMatch(/^HTTP\/1\.1 200 [^]*retry: \d+\n\n: [^]*\n\n\r\n$/);
    refused.destroy();
  });

  test("leaves its reader's other requests alone when it has ended, though they share a pool of connections", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["a"], "completed");
    for (let number = 0; number < 100; number++) {
      const text = await (await fetch(`${bench.url}/streams/s/events`)).text();
      const page = await fetch(`${bench.url}/streams/s/chunks`);
      expect(text).toContain("event: complete");
      expect(await page.json()).toMatchObject({ head: 2 });
    }
  });

  test("comes plain to HTTP/1.0, which knows no chunks", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["a"], "completed");
    const client = await connectTo(bench.url, "GET /streams/s/events HTTP/1.0\r\n\r\n");
    await once(client, "end");
    expect(client.received()).not.toMatch(/transfer-encoding/i);
    expect(client.received()).toMatch(/\r\n\r\nretry: \d+\n\nid: 1\n[^]*\n\n$/);
    client.destroy();
  });

  test("may follow other requests on its connection, and nothing that comes after it is answered", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    const client = await connectTo(bench.url, "GET /streams/s/chunks HTTP/1.1\r\nHost: edge\r\n\r\n");
    await eventually("the page", () => client.received().includes("next_after"));
    client.write(EVENTS);
    await eventually("the stream", () => client.received().includes("retry: "));
    client.write(EVENTS.repeat(3));
    await bench.ingest.publish("s", ["a"], "completed");
    await once(client, "end");
    expect(client.received().match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(client.received()).toMatch(/"a"[^]*0\r\n\r\n$/);
    client.destroy();
  });

  test("is begun only when the earlier request on its connection has its answer", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    const poll = "GET /streams/s/chunks?wait=20 HTTP/1.1\r\nHost: edge\r\n\r\n";
    const client = await connectTo(bench.url, poll + EVENTS);
    await eventually("the poll", () => bench.edge.counts().subscribers === 1);
    expect(bench.edge.counts().connections).toBe(0);
    await bench.ingest.publish("s", ["a"]);
    await eventually("both answers", () => client.received().includes("retry: "));
    expect(client.received()).toMatch(
      /^HTTP\/1\.1 200 [^]*application\/json[^]*HTTP\/1\.1 200 [^]*event-stream/,
    );
    client.destroy();
  });

  test("goes on to its end when its reader closes its half of the connection", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    const client = await connectTo(bench.url);
    client.end(EVENTS);
    await eventually("the stream", () => client.received().includes("retry: "));
    await bench.ingest.publish("s", ["a"]);
    await eventually("a chunk", () => client.received().includes('"content":"a"'));
    await sleep(1_200);
    await bench.ingest.publish("s", ["b"], "completed");
    await once(client, "close");
    expect(client.received()).toMatch(/"content":"b"[^]*event: complete[^]*\r\n0\r\n\r\n$/);
    await eventually("nobody to be left", () => bench.edge.counts().connections === 0);
  });

  test("is over soon when its reader is gone, though nothing is sent", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    const client = await connectTo(bench.url, EVENTS);
    await eventually("the stream", () => client.received().includes("retry: "));
    client.destroy();
    await eventually("nobody to be left", () => bench.edge.counts().connections === 0);
    expect(await bench.metric("sluice_edge_open_sockets")).toBe(0);
  });

  test("keeps nothing of its request and its response while it goes on", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    await using bench = await start();
    const responses: WeakRef<ServerResponse>[] = [];
    const onStart = (message: unknown): void => {
      responses.push(new WeakRef((message as { response: ServerResponse }).response));
    };
    await bench.ingest.create("s");
    subscribe("http.server.request.start", onStart);
    const paths = ["/streams/s/events", "/streams/s/events?wait=20", "/streams/events?stream_id=s"];
    const readers = await Promise.all(paths.map((path) => bench.open(path)));
    unsubscribe("http.server.request.start", onStart);
    await bench.ingest.publish("s", ["a"]);
    for (const reader of readers) await reader.until("a chunk", () => reader.events.length > 0);
    expect(responses).toHaveLength(3);
    await eventually("all responses to be forgotten", () => {
      collectGarbage();
      return responses.every((response) => response.deref() === undefined);
    });
  });
});

test("a server that closes gives its readers the grace time, and doesn't wait for them any longer", async () => {
  await using bench = await start();
  await bench.ingest.create("s");
  const server = await bench.edge.listen({ host: "127.0.0.1", port: 0 });
  const client = await connectTo(`http://127.0.0.1:${server.port}`, EVENTS);
  await eventually("the stream", () => client.received().includes("retry: "));
  const closing = server.close(50);
  await once(client, "end");
  await closing;
  await eventually("nobody to be left", () => bench.edge.counts().connections === 0);
  expect(client.received()).not.toMatch(/0\r\n\r\n$/);
  client.destroy();
});

import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { createRegistry, defaultSettings } from "@sluice/runtime";
import { expect, test } from "vitest";
import { Connection } from "./connection.ts";
import { createEdgeMetrics } from "../metrics.ts";
import { edgeConfigSchema } from "../config.ts";
import { WriteTick } from "./write-tick.ts";

// Each more than the kernel takes from a connection that nobody reads.
const REPLAYED = Buffer.alloc(16 * 1024 * 1024, "a");
const LAST = Buffer.alloc(8 * 1024 * 1024, "b");
const END = Buffer.from("0\r\n\r\n");

test("an end in the very turn in which a full socket has drained is written once, after all that was queued", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const reader = connect((server.address() as AddressInfo).port, "127.0.0.1").pause();
  const [socket] = (await once(server, "connection")) as [Socket];
  const metrics = createEdgeMetrics(createRegistry("edge"));
  const settings = { ...defaultSettings(edgeConfigSchema), maxBufferBytes: 64 * 1024 * 1024 };
  const connection = new Connection(socket, new WriteTick(), settings, metrics, {});
  connection.push(REPLAYED, 1);
  // Before the connection hears of it, as a live range that ends the stream may come.
  socket.prependOnceListener("drain", () => {
    connection.push(LAST, 1);
    connection.end();
  });

  let received = 0;
  let tail = Buffer.alloc(0);
  reader.on("data", (bytes: Buffer) => {
    received += bytes.byteLength;
    tail = Buffer.concat([tail, bytes]).subarray(-END.byteLength);
  });
  await once(reader.resume(), "close");
  expect(tail).toEqual(END);
  expect(received).toBeGreaterThan(REPLAYED.byteLength + LAST.byteLength);
  server.close();
});

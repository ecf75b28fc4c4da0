/**
 * A process of its own that reads large pages as fast as it may, for nothing: forked by tests with an edge's URL, a stream
 * and how many positions it has. In turns forty pages at once over one connection, and forty readers; all cut in the middle.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const READERS = 40;
const CUT_AFTER_MS = 1_500;

const [edgeUrl = "", streamId = "", positions = "1"] = process.argv.slice(2);
const { host, hostname, port } = new URL(edgeUrl);

async function open(requests: string): Promise<Socket> {
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {}).resume();
  await once(socket, "connect").catch(() => undefined);
  socket.write(requests);
  return socket;
}

const positionOf = (reader: number): number => reader % Number(positions);

async function pipelinedPages(): Promise<Socket[]> {
  const requests = Array.from({ length: READERS }, (_, reader) => {
    const path = `/streams/${streamId}/chunks?after=${positionOf(reader)}&limit=1000`;
    return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  });
  return [await open(requests.join(""))];
}

function readersAfterADeploy(): Promise<Socket[]> {
  const readers = Array.from({ length: READERS }, (_, reader) =>
    open(
      `GET /streams/${streamId}/events HTTP/1.1\r\nHost: ${host}\r\nLast-Event-ID: ${positionOf(reader)}\r\n\r\n`,
    ),
  );
  return Promise.all(readers);
}

for (;;) {
  for (const begin of [pipelinedPages, readersAfterADeploy]) {
    const sockets = await begin();
    await delay(CUT_AFTER_MS);
    for (const socket of sockets) socket.destroy();
  }
}

import { randomUUID } from "node:crypto";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { serve } from "../src/actor.ts";

export interface Attack {
  edgeUrl: string;
  gatewayUrl: string;
  seed: number;
  /** Streams with large chunks, and how many chunks each has. */
  largeStreams: readonly string[];
  largeChunks: number;
}

export interface HostileReport {
  /** Answers of floods, by status; 0: none came. */
  answers: Record<string, number>;
  socketsOpened: number;
}

/** Clients that do what no client should, each kind as often at once as is bounded below. */
export interface HostileClients {
  begin(attack: Attack): void;
  /** Closes everything; resolves when nothing of it is left on this side. */
  end(options: null): Promise<HostileReport>;
}

/** How many of each kind are at work at once. */
const LARGE_READERS = 40;
const SLOW_BODIES = 20;
const STALLED_SOCKETS = 60;
const WAITERS = 120;
const FLOOD_LANES = 3;
/** Pause between two requests of a flood's lane: the machine is shared with those who are measured. */
const FLOOD_PAUSE_MS = 4;

const over = new AbortController();
const sockets = new Set<Socket>();
const answers: Record<string, number> = {};
let socketsOpened = 0;
let working: Promise<unknown> = Promise.resolve();
let state = 0;

/** A whole number from 0 to below the bound (mulberry32), from the attack's seed. */
function below(bound: number): number {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
}

function open(url: string, bytes: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: below(2) === 0 });
  sockets.add(socket);
  socketsOpened++;
  socket.on("error", () => undefined);
  socket.once("close", () => sockets.delete(socket));
  socket.write(bytes);
  return socket;
}

async function wait(ms: number): Promise<void> {
  await delay(ms, undefined, { signal: over.signal }).catch(() => undefined);
}

/** Keeps so many of a kind at work until the end. */
async function keepUp(count: number, work: () => Promise<void>): Promise<void> {
  const lane = async (): Promise<void> => {
    await wait(below(1_000));
    while (!over.signal.aborted) await work();
  };
  await Promise.all(Array.from({ length: count }, lane));
}

/** Reads a large stream from anywhere, a little or nothing of it, and goes. */
async function readLarge({ edgeUrl, largeStreams, largeChunks }: Attack): Promise<void> {
  const id = largeStreams[below(largeStreams.length)] ?? "";
  const position = `Last-Event-ID: ${below(largeChunks)}\r\n`;
  const path = below(3) === 0 ? `/streams/${id}/chunks?after=${below(largeChunks)}` : `/streams/${id}/events`;
  const socket = open(edgeUrl, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${position}\r\n`);
  if (below(2) === 0) socket.pause();
  else socket.resume();
  await wait(below(2_000));
  socket.destroy();
}

/** Promises a large body and sends it byte by byte, or not at all. */
async function sendSlowly({ gatewayUrl }: Attack): Promise<void> {
  const type = below(2) === 0 ? "application/json" : "application/x-ndjson";
  const path = ["/streams", "/streams/victim/chunks", "/streams/victim/proxy", "/prompts"][below(4)] ?? "/";
  const socket = open(
    gatewayUrl,
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${type}\r\nContent-Length: 900000\r\n\r\n`,
  );
  if (below(2) === 0) socket.write(`[${" ".repeat(800_000)}`);
  for (let sent = 0; sent < 20 && !socket.destroyed && !over.signal.aborted; sent++) {
    await wait(1_000);
    if (!socket.destroyed) socket.write(" ");
  }
  socket.destroy();
}

/** Connects and says nothing, or half of a request, or nonsense. */
async function stall({ edgeUrl, gatewayUrl }: Attack): Promise<void> {
  const bytes =
    ["", "GET /str", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", "\x16\x03\x01\r\n\r\n"][below(4)] ?? "";
  const socket = open(below(2) === 0 ? edgeUrl : gatewayUrl, bytes);
  await wait(3_000 + below(10_000));
  socket.destroy();
}

/** Takes a place of those who wait for streams that nobody knows. */
async function waitForNothing({ edgeUrl }: Attack): Promise<void> {
  const socket = open(
    edgeUrl,
    `GET /streams/nobody-${below(1e9)}/events?wait=30 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
  );
  socket.resume();
  await wait(2_000 + below(8_000));
  socket.destroy();
}

const CUSTOM = Object.fromEntries(Array.from({ length: 4 }, (_, index) => [`k${index}`, "v".repeat(990)]));

async function flood(attack: Attack): Promise<void> {
  const { edgeUrl, gatewayUrl } = attack;
  const json = { "content-type": "application/json" };
  const id = `flood-${below(1e9)}`;
  const [url, init] = [
    (): [string, RequestInit] => [`${edgeUrl}/streams/${id}/chunks`, {}],
    (): [string, RequestInit] => [
      `${edgeUrl}/streams/${id}/events`,
      { headers: { "sluice-client": "hostile" } },
    ],
    (): [string, RequestInit] => [`${edgeUrl}/streams/${id}/cancel`, { method: "POST" }],
    (): [string, RequestInit] => [`${gatewayUrl}/streams/${id}/cancel`, { method: "POST" }],
    (): [string, RequestInit] => [
      `${gatewayUrl}/streams`,
      { method: "POST", headers: json, body: JSON.stringify({ options: { custom: CUSTOM } }) },
    ],
    (): [string, RequestInit] => [
      `${gatewayUrl}/streams`,
      { method: "POST", headers: { ...json, "idempotency-key": randomUUID() }, body: "{}" },
    ],
    (): [string, RequestInit] => [
      `${gatewayUrl}/streams/victim/chunks`,
      {
        method: "POST",
        headers: { ...json, "idempotency-key": randomUUID() },
        body: '{"type":"Text","content":"x"}',
      },
    ],
  ][below(7)]?.() ?? [edgeUrl, {}];
  let status = 0;
  try {
    const response = await fetch(url, {
      ...init,
      signal: AbortSignal.any([over.signal, AbortSignal.timeout(20_000)]),
    });
    status = response.status;
    await response.arrayBuffer();
  } catch {
    // No answer: refused, cut or over.
  }
  if (!over.signal.aborted) answers[status] = (answers[status] ?? 0) + 1;
  await wait(FLOOD_PAUSE_MS);
}

serve({
  begin(attack) {
    state = attack.seed >>> 0;
    working = Promise.all([
      keepUp(LARGE_READERS, () => readLarge(attack)),
      keepUp(SLOW_BODIES, () => sendSlowly(attack)),
      keepUp(STALLED_SOCKETS, () => stall(attack)),
      keepUp(WAITERS, () => waitForNothing(attack)),
      keepUp(FLOOD_LANES, () => flood(attack)),
    ]);
  },
  async end() {
    over.abort();
    for (const socket of sockets) socket.destroy();
    await working;
    return { answers, socketsOpened };
  },
} satisfies HostileClients);

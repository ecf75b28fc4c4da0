import { chunkFrame } from "@sluice/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type ClientOptions } from "./index.ts";

beforeEach(() => {
  vi.spyOn(Math, "random").mockReturnValue(1);
});

afterEach(() => {
  vi.restoreAllMocks();
});

const eventually = (isTrue: () => boolean): Promise<boolean> =>
  vi.waitUntil(isTrue, { timeout: 10_000, interval: 5 });

const encoder = new TextEncoder();

/** An edge that says what it is told to, and answers changes when it is told to. */
function startScriptedEdge(options: Partial<ClientOptions> = {}) {
  let say = (_text: string): void => {};
  const edge = {
    /** `GET ?stream_id=a @ 1.2`, `POST a?from=1`, `DELETE a`. */
    requests: [] as string[],
    /** Changes that wait for their answer. */
    held: [] as (() => void)[],
    holds: false,
    say: (text: string): void => say(text),
    notice: (stream_id: string, state: string, sequence: number): void =>
      say(`event: stream\ndata: ${JSON.stringify({ stream_id, state, sequence })}\n\n`),
    fetch: async (input: unknown, init: RequestInit = {}): Promise<Response> => {
      const url = new URL(String(input));
      const position = new Headers(init.headers).get("Last-Event-ID");
      const id = url.pathname.split("/").at(-1);
      if (init.method === "GET") {
        edge.requests.push(`GET ${url.search}${position === null ? "" : ` @ ${position}`}`);
        return opened();
      }
      edge.requests.push(`${init.method} ${id}${url.search}`);
      if (edge.holds) await new Promise<void>((resolve) => edge.held.push(resolve));
      return new Response(null, { status: 204 });
    },
    cut: (): void => {},
  };
  function opened(): Response {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        say = (text) => controller.enqueue(encoder.encode(text));
        edge.cut = () => controller.close();
      },
    });
    const headers = {
      "Content-Type": "text/event-stream",
      "Sluice-Connection-Id": `c${edge.requests.length}`,
    };
    return new Response(body, { headers });
  }
  const client = createClient({ edgeUrl: "http://edge", share: true, fetch: edge.fetch, ...options });
  return { edge, client };
}

const textOf = (stream_id: string, from: number, to: number): string => {
  let frames = "";
  for (let sequence = from; sequence <= to; sequence++)
    frames += chunkFrame(sequence, { type: "Text", content: "x" }, { stream_id }).text;
  return frames;
};

const completeOf = (stream_id: string, sequence: number): string =>
  chunkFrame(sequence, { type: "Complete", summary: null }, { stream_id }).text;

test("a stream that came back before the server knew that it had left is sent anew, from where it was", async () => {
  const { edge, client } = startScriptedEdge();
  const other = client.stream("other");
  other.on("chunk", () => {});
  const slow = client.stream("slow");
  const chunks = slow[Symbol.asyncIterator]();
  await eventually(() => slow.state === "open");
  edge.holds = true;
  client.stream("third").on("chunk", () => {});
  await eventually(() => edge.held.length === 1);
  edge.say(textOf("slow", 1, 1_500));
  // Full, it leaves; empty, it comes back. All the while nothing can be changed.
  await eventually(() => slow.cursor === 1_500);
  for (let count = 0; count < 1_500; count++) await chunks.next();
  await eventually(() => slow.state === "connecting");
  edge.holds = false;
  edge.held[0]?.();
  await eventually(() => edge.requests.includes("POST slow?from=1501"));
  expect(edge.requests.slice(1)).toEqual(["POST third?from=1", "DELETE slow", "POST slow?from=1501"]);
  edge.notice("slow", "following", 1_500);
  edge.say(completeOf("slow", 1_501));
  expect(await chunks.next()).toMatchObject({ value: { sequence: 1_501 } });
  await eventually(() => slow.state === "ended");
});

test("a change that is never answered ends with its connection, and is no hindrance on the next", async () => {
  const { edge, client } = startScriptedEdge();
  const streams = ["a", "b", "c"].map((id) => client.stream(id));
  const open = (index: number): Promise<boolean> => eventually(() => streams[index]?.state === "open");
  streams[0]?.on("chunk", () => {});
  await open(0);
  edge.holds = true;
  streams[1]?.on("chunk", () => {});
  await eventually(() => edge.held.length === 1);
  edge.cut();
  await open(1);
  edge.holds = false;
  streams[2]?.on("chunk", () => {});
  await eventually(() => edge.requests.length === 4);
  edge.notice("c", "following", 0);
  await open(2);
  expect(edge.requests).toEqual([
    "GET ?stream_id=a",
    "POST b?from=1",
    "GET ?stream_id=a&stream_id=b",
    "POST c?from=1",
  ]);
});

test("a change that is not answered in time costs the connection", async () => {
  vi.spyOn(Date, "now").mockReturnValue(1_000_000);
  const { edge, client } = startScriptedEdge({ keepAliveMs: 60 });
  const [first, second] = ["a", "b"].map((id) => client.stream(id));
  first?.on("chunk", () => {});
  await eventually(() => first?.state === "open");
  edge.holds = true;
  second?.on("chunk", () => {});
  await eventually(() => second?.state === "open");
  expect(edge.requests).toEqual(["GET ?stream_id=a", "POST b?from=1", "GET ?stream_id=a&stream_id=b"]);
});

test("a stream that begins before its first sequence is refused by the server, and no hindrance for others", async () => {
  const { edge, client } = startScriptedEdge();
  client.stream("a").on("chunk", () => {});
  client.stream("b", { from: 0 }).on("chunk", () => {});
  await eventually(() => edge.requests.length === 2);
  expect(edge.requests.toSorted()).toEqual(["GET ?from=0", "GET ?stream_id=a"]);
});

import { chunkFrame, startHostileEdge, type HostileEdge } from "@sluice/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createClient,
  type ClientOptions,
  type SluiceError,
  type Stream,
  type StreamOptions,
} from "./index.ts";

let edge: HostileEdge;

beforeEach(async () => {
  edge = await startHostileEdge();
  vi.spyOn(Math, "random").mockReturnValue(1);
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await edge[Symbol.asyncDispose]();
});

const eventually = (isTrue: () => boolean): Promise<boolean> =>
  vi.waitUntil(isTrue, { timeout: 10_000, interval: 5 });

const looks = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

/** Begins to read at once. */
function read(options: Partial<ClientOptions> = {}, streamOptions: StreamOptions = {}) {
  const stream = createClient({ edgeUrl: edge.url, ...options }).stream("s", streamOptions);
  const states: string[] = [];
  stream.on("state", (state) => states.push(state));
  const failure = new Promise<SluiceError>((resolve) => stream.on("error", resolve));
  return { stream, states, failure };
}

const end = (stream: Stream): Promise<boolean> => eventually(() => stream.state === "ended");

const FRAME = chunkFrame(1, { type: "Text", content: "a" });

describe("a refusal", () => {
  test.each([
    [410, "HTTP_410"],
    [400, "HTTP_400"],
    [403, "HTTP_403"],
  ])("%i is final, and told with its code", async (status, code) => {
    edge.treatments = [{ status }];
    const { failure, stream } = read();
    expect(await failure).toMatchObject({ status, code, isRetryable: false });
    expect(stream.state).toBe("failed");
    expect(edge.requests).toHaveLength(1);
  });

  test("404 is final where it is the edge's own problem document, in whichever case its media type is written", async () => {
    const detail = "no stream has this id";
    const fetch = vi.fn<typeof globalThis.fetch>(
      async () =>
        new Response(JSON.stringify({ code: "STREAM_NOT_FOUND", detail }), {
          status: 404,
          headers: { "Content-Type": "Application/Problem+JSON; charset=utf-8" },
        }),
    );
    const { failure } = read({ fetch });
    expect(await failure).toMatchObject({ code: "STREAM_NOT_FOUND", message: detail, isRetryable: false });
    expect(fetch).toHaveBeenCalledOnce();
  });

  test.each([
    ["without a body", "", ""],
    ["a page", "text/html", "<h1>404 Not Found</h1>"],
    ["JSON of its own", "application/json", '{"code":"NO_ROUTE","detail":"no route"}'],
    ["a problem document without our code", "application/problem+json", '{"status":404,"code":404}'],
  ])("404 of a proxy without backends is asked again: %s", async (_kind, type, body) => {
    edge.frames = [FRAME];
    const answers = [new Response(body, { status: 404, headers: { "Content-Type": type } })];
    const fetch: typeof globalThis.fetch = async (...request) =>
      answers.shift() ?? globalThis.fetch(...request);
    const { stream, states } = read({ fetch });
    const reasons: unknown[] = [];
    stream.on("state", (state) => state === "waiting" && reasons.push(stream.error?.code));
    await end(stream);
    expect(states.slice(0, 4)).toEqual(["connecting", "waiting", "connecting", "open"]);
    expect(reasons[0]).toBe("HTTP_404");
  });

  test("204 says how the stream ended", async () => {
    edge.treatments = [{ status: 204, headers: { "Sluice-Status": "cancelled" } }];
    const { stream } = read({}, { from: 7 });
    await end(stream);
    expect(stream.end).toEqual({ status: "cancelled", chunk: null });
  });

  test("204 is the end: nothing is asked any more", async () => {
    const { stream, states } = read({}, { resumeToken: btoa("s:7") });
    await end(stream);
    expect(states).toEqual(["connecting", "ended"]);
    expect(stream.end).toEqual({ status: null, chunk: null });
    await looks();
    expect(edge.requests).toHaveLength(1);
  });

  test("for now is asked again, not before Retry-After has passed, whoever looks at the page", async () => {
    const page = stubPage();
    edge.treatments = [{ status: 503, headers: { "Retry-After": "1" } }];
    const startedMs = performance.now();
    const { stream } = read();
    await eventually(() => stream.state === "waiting");
    expect(stream.error).toMatchObject({ status: 503, retryAfterMs: 1_000 });
    page.show();
    page.goOnline();
    await end(stream);
    expect(performance.now() - startedMs).toBeGreaterThan(950);
    expect(edge.requests).toHaveLength(2);
  });

  test("is not what a page of HTML is: a network that wants a login may let us through later", async () => {
    edge.frames = [FRAME];
    edge.treatments = [{ headers: { "Content-Type": "text/html" } }];
    const { stream, states } = read();
    await end(stream);
    expect(states.slice(0, 4)).toEqual(["connecting", "waiting", "connecting", "open"]);
  });
});

test.each(["Text/Event-Stream", "text/event-stream", "TEXT/EVENT-STREAM ;charset=utf-8"])(
  "an event stream is one in whichever case its media type is written: %s",
  async (type) => {
    edge.frames = [FRAME];
    edge.treatments = [{ headers: { "Content-Type": type } }];
    const { stream, states } = read();
    await end(stream);
    expect(states.slice(0, 2)).toEqual(["connecting", "open"]);
  },
);

test("an answer whose media type only begins like an event stream's is none", async () => {
  edge.frames = [FRAME];
  edge.treatments = [{ headers: { "Content-Type": "text/event-streams" } }];
  const { stream, states } = read();
  await end(stream);
  expect(states.slice(0, 2)).toEqual(["connecting", "waiting"]);
});

describe("the attempts", () => {
  test("name the client, so that 503 is said and not played down, and no cache keeps them", async () => {
    await end(read().stream);
    expect(edge.headers[0]).toMatchObject({
      "sluice-client": "js",
      accept: "text/event-stream",
      "cache-control": "no-cache",
    });
  });

  test("never end by themselves, and after so many failures in a row if that is asked for", async () => {
    edge.treatments = Array.from({ length: 12 }, () => ({ status: 500 }));
    await end(read().stream);
    expect(edge.requests).toHaveLength(13);
    edge.treatments = Array.from({ length: 12 }, () => ({ status: 500 }));
    expect(await read({ maxAttempts: 5 }).failure).toMatchObject({ status: 500 });
    expect(edge.requests).toHaveLength(13 + 6);
  });

  test("are counted anew once something came, and not by answers that are empty", async () => {
    edge.frames = [FRAME];
    edge.hasEnded = false;
    const cut = { cutAfterBytes: 20 };
    edge.treatments = [cut, cut, {}, cut, cut];
    expect(await read({ maxAttempts: 2 }).failure).toMatchObject({ code: "CONNECTION" });
    expect(edge.requests).toHaveLength(5);
  });

  test("wait as long as the server's retry says", async () => {
    edge.frames = [{ ...FRAME, text: `retry: 300\n\n${FRAME.text}` }];
    const startedMs = performance.now();
    await end(read().stream);
    expect(performance.now() - startedMs).toBeGreaterThan(290);
  });

  test("ask for headers each time; after a 401 once more at once, saying so, and then it is final", async () => {
    let token = 0;
    const headers = vi.fn(async (_wasRefused: boolean) => ({ Authorization: `Bearer ${++token}` }));
    edge.treatments = [{ status: 401 }, { status: 500 }, { status: 401 }, { status: 401 }];
    expect(await read({ headers }).failure).toMatchObject({ status: 401, code: "HTTP_401" });
    expect(edge.headers.map(({ authorization }) => authorization)).toEqual(
      [1, 2, 3, 4].map((n) => `Bearer ${n}`),
    );
    expect(headers.mock.calls).toEqual([[false], [true], [false], [true]]);
  });

  test("go on where headers can't be had for now", async () => {
    const headers = vi.fn<() => Promise<Record<string, string>>>().mockResolvedValue({});
    headers.mockRejectedValueOnce(new Error("no token"));
    const { stream, states } = read({ headers });
    const reasons: unknown[] = [];
    stream.on("state", () => reasons.push(stream.error?.message));
    await end(stream);
    expect(states).toEqual(["connecting", "waiting", "connecting", "ended"]);
    expect(reasons[1]).toContain("no token");
  });

  test("end where a fetch can't stream", async () => {
    const fetch = async () => {
      const response = new Response(null, { headers: { "Content-Type": "text/event-stream" } });
      return response;
    };
    expect((await read({ fetch }).failure).message).toContain("can't stream");
  });
});

describe("silence", () => {
  test("of three intervals, by the wall clock, ends a connection; a heartbeat is none", async () => {
    let nowMs = 1_000_000;
    vi.spyOn(Date, "now").mockImplementation(() => nowMs);
    edge.frames = [FRAME];
    edge.treatments = [{ stays: true }, { stays: true }];
    const { stream, states } = read({ keepAliveMs: 60 });
    await eventually(() => stream.cursor === 1);
    nowMs += 170;
    await looks();
    const heard = vi.fn<() => void>();
    stream.on("heartbeat", heard);
    edge.send(": heartbeat\n\nevent: heartbeat\ndata: {}\n\n");
    await eventually(() => heard.mock.calls.length === 1);
    nowMs += 170;
    await looks();
    expect(edge.requests).toHaveLength(1);
    // As after a sleep: no timer ran, and the clock says how long.
    nowMs += 3_600_000;
    await end(stream);
    expect(edge.requests).toEqual(["GET /streams/s/events", "GET /streams/s/events @ 1"]);
    expect(states.slice(1)).toEqual(["open", "waiting", "connecting", "ended"]);
  });

  test("before an answer ends an attempt, too, after the time it was allowed to wait", async () => {
    let nowMs = 1_000_000;
    vi.spyOn(Date, "now").mockImplementation(() => nowMs);
    const fetch = vi.fn<typeof globalThis.fetch>().mockImplementation(globalThis.fetch);
    fetch.mockImplementationOnce(
      (_url, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
        }),
    );
    const { stream } = read({ keepAliveMs: 60, fetch }, { wait: 1 });
    await eventually(() => fetch.mock.calls.length === 1);
    nowMs += 1_050;
    await looks();
    expect(fetch).toHaveBeenCalledTimes(1);
    nowMs += 20;
    await end(stream);
  });

  test("ends what doesn't listen: headers that never come, and a fetch that can't be aborted", async () => {
    let nowMs = 1_000_000;
    vi.spyOn(Date, "now").mockImplementation(() => nowMs);
    const never = new Promise<never>(() => {});
    const headers = vi.fn<() => Promise<Record<string, string>>>().mockResolvedValue({});
    headers.mockReturnValueOnce(never);
    const cancelled = vi.fn<() => void>();
    const fetch = vi.fn<typeof globalThis.fetch>().mockImplementation(globalThis.fetch);
    const body = new ReadableStream({ cancel: cancelled });
    fetch.mockReturnValueOnce(never);
    fetch.mockResolvedValueOnce(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
    const { stream } = read({ keepAliveMs: 60, headers, fetch });
    for (const [called, times] of [
      [headers, 1],
      [fetch, 1],
      [fetch, 2],
    ] as const) {
      await eventually(() => called.mock.calls.length === times);
      await eventually(() => stream.state === (times === 2 ? "open" : "connecting"));
      nowMs += 200;
    }
    await end(stream);
    expect(cancelled).toHaveBeenCalledTimes(1);
  });
});

/** What of a page the client looks at. */
function stubPage() {
  const window = new EventTarget();
  const navigator = { onLine: true };
  const document = { visibilityState: "visible" };
  vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
  vi.stubGlobal("removeEventListener", window.removeEventListener.bind(window));
  vi.stubGlobal("document", document);
  vi.stubGlobal("navigator", navigator);
  const changeTo = (visibilityState: string): void => {
    document.visibilityState = visibilityState;
    // It bubbles up from the document.
    window.dispatchEvent(new Event("visibilitychange"));
  };
  return {
    navigator,
    hide: () => changeTo("hidden"),
    show: () => changeTo("visible"),
    goOnline: () => {
      navigator.onLine = true;
      window.dispatchEvent(new Event("online"));
    },
  };
}

describe("a page", () => {
  test("that is hidden and shown again keeps its connection, and after the end asks nothing", async () => {
    const page = stubPage();
    edge.frames = [FRAME];
    edge.treatments = [{ stays: true }];
    const { stream } = read();
    await eventually(() => stream.cursor === 1);
    page.hide();
    page.show();
    await looks();
    expect(edge.requests).toHaveLength(1);
    for (const response of edge.open) response.end();
    await end(stream);
    page.hide();
    page.show();
    page.goOnline();
    await looks();
    expect(edge.requests).toHaveLength(2);
  });

  test("that is shown tries at once what would have waited", async () => {
    const page = stubPage();
    edge.frames = [{ ...FRAME, text: `retry: 3000000\n\n${FRAME.text}` }];
    const { stream } = read();
    await eventually(() => stream.state === "waiting");
    page.hide();
    await looks();
    expect(stream.state).toBe("waiting");
    page.show();
    await end(stream);
  });

  test("offline waits for the network without counting, and asks anew as soon as it is back", async () => {
    const page = stubPage();
    edge.frames = [FRAME];
    edge.treatments = [{ stays: true }, { status: 500 }];
    const { stream } = read({ maxAttempts: 0 });
    await eventually(() => stream.cursor === 1);
    page.navigator.onLine = false;
    for (const response of edge.open) response.destroy();
    await eventually(() => stream.state === "waiting");
    page.goOnline();
    expect((await new Promise<SluiceError>((resolve) => stream.on("error", resolve))).status).toBe(500);
    expect(edge.requests).toHaveLength(2);
  });

  test("is left alone by a stream that was closed, though its headers never came", async () => {
    const listening = new Map<string, unknown>();
    vi.stubGlobal("addEventListener", (type: string, listener: unknown) => listening.set(type, listener));
    vi.stubGlobal("removeEventListener", (type: string, listener: unknown) => {
      if (listening.get(type) === listener) listening.delete(type);
    });
    const clear = vi.spyOn(globalThis, "clearInterval");
    const { stream } = read({ headers: () => new Promise(() => {}) });
    await eventually(() => stream.state === "connecting");
    expect(listening.size).toBe(2);
    stream.close();
    await eventually(() => clear.mock.calls.length === 1);
    expect(listening.size).toBe(0);
  });

  test("has no more to do for a stream that is closed as it begins to connect", async () => {
    const asked = vi.fn<typeof globalThis.fetch>().mockReturnValue(new Promise(() => {}));
    const clear = vi.spyOn(globalThis, "clearInterval");
    const { stream } = read({ fetch: asked });
    stream.on("state", (state) => state === "connecting" && stream.close());
    await eventually(() => clear.mock.calls.length === 1);
    expect(stream.state).toBe("closed");
  });

  test("that changes its network leaves a connection which nobody closes", async () => {
    const page = stubPage();
    edge.frames = [FRAME];
    edge.treatments = [{ stays: true }];
    const { stream, states } = read();
    await eventually(() => stream.cursor === 1);
    page.goOnline();
    await end(stream);
    expect(edge.requests[1]).toBe("GET /streams/s/events @ 1");
    expect(states).toEqual(["connecting", "open", "connecting", "ended"]);
  });
});

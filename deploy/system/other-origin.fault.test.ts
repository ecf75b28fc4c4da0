import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { findChromium, startBrowser, type RealBrowser } from "./browser.ts";
import type { PageGlobals } from "./other-origin-page.ts";
import { startStack, type Stack } from "./stack.ts";

const chromium = await findChromium();
const PATIENCE = { timeout: 30_000 };
const TOKEN = "Bearer a-token-of-the-application";

let stack: Stack;
let real: RealBrowser;
/** Sites whose pages may use Sluice, and whose may not. */
let listed: Site;
let stranger: Site;
let streamId: string;

interface Site {
  readonly origin: string;
  readonly server: Server;
}

/** Bundles the page as an application's bundler would. */
async function bundlePage(): Promise<string> {
  const input = new URL("other-origin-page.ts", import.meta.url).pathname;
  const build = await rolldown({ input, platform: "browser" });
  const { output } = await build.generate({ format: "esm", codeSplitting: false });
  await build.close();
  return output[0].code;
}

/** Serves the page by a name other than the one that Sluice is reached by, so that it is another site to the browser. */
async function serveSite(script: string): Promise<Site> {
  const server = createServer((request, response) => {
    if (request.url === "/api/chat") {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ stream_id: streamId }));
    } else if (request.url === "/page.js") {
      response.writeHead(200, { "content-type": "text/javascript" }).end(script);
    } else {
      response.writeHead(200, { "content-type": "text/html" });
      response.end('<!doctype html><title>Elsewhere</title><script type="module" src="/page.js"></script>');
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { origin: `http://localhost:${(server.address() as AddressInfo).port}`, server };
}

beforeAll(async () => {
  if (chromium === null) return;
  const script = await bundlePage();
  listed = await serveSite(script);
  stranger = await serveSite(script);
  const env = { CORS_ORIGINS: listed.origin };
  stack = await startStack({ ingest: 1, edges: 1, gateway: true, env: { edge: env, gateway: env } });
  real = await startBrowser(chromium);
});

afterAll(async () => {
  if (chromium === null) return;
  await real[Symbol.asyncDispose]();
  await stack.stop();
  for (const { server } of [listed, stranger]) server.close();
});

async function post(path: string, body: unknown): Promise<void> {
  const response = await fetch(`${stack.gatewayUrl}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(response.ok).toBe(true);
}

const text = (content: string) => ({ type: "Text", content });

beforeEach(async () => {
  if (chromium === null) return;
  streamId = `elsewhere-${crypto.randomUUID()}`;
  await post("/streams", { stream_id: streamId });
  await post(`/streams/${streamId}/chunks`, [text("Hello, "), text("world")]);
});

async function openPage(site: Site): Promise<Page> {
  const page = await real.browser.newPage();
  await page.goto(site.origin);
  await page.waitForFunction(() => "createClient" in globalThis);
  return page;
}

const urls = () => ({ edgeUrl: stack.edgeUrl, gatewayUrl: stack.gatewayUrl, streamId, token: TOKEN });

async function isCancelled(): Promise<boolean> {
  const response = await fetch(`${stack.gatewayUrl}/streams/${streamId}`);
  const status = (await response.json()) as { cancel_requested_ms: number | null; status: string };
  return status.cancel_requested_ms !== null || status.status === "cancelled";
}

describe.skipIf(chromium === null)("a page of another site that is listed", () => {
  test("reads a stream with a token and with tracing, and goes on from a position", async () => {
    const page = await openPage(listed);
    const reading = page.evaluate(async ({ edgeUrl, streamId: id, token }) => {
      const { createClient } = globalThis as unknown as PageGlobals;
      const headers = async () => ({
        Authorization: token,
        traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01`,
      });
      // A position of its own is a header of its own.
      const stream = createClient({ edgeUrl, headers, persist: true }).stream(id, { from: 1 });
      const texts: string[] = [];
      for await (const { chunk_type: type } of stream) if (type.type === "Text") texts.push(type.content);
      return { texts, hasConnectionId: stream.connectionId !== null };
    }, urls());
    await post(`/streams/${streamId}/chunks`, [text("!"), { type: "Complete" }]);
    expect(await reading).toEqual({ texts: ["Hello, ", "world", "!"], hasConnectionId: true });
    const resumed = await page.evaluate(async ({ edgeUrl, streamId: id }) => {
      const { createClient } = globalThis as unknown as PageGlobals;
      return createClient({ edgeUrl })
        .stream(id, { resumeToken: btoa(`${id}:2`) })
        .text();
    }, urls());
    expect(resumed).toBe("!");
  });

  test("adds a stream to a connection that is open", async () => {
    const page = await openPage(listed);
    const other = `${streamId}-other`;
    await post("/streams", { stream_id: other });
    await post(`/streams/${other}/chunks`, [text("Other"), { type: "Complete" }]);
    const added = await page.evaluate(
      async ({ edgeUrl, streamId: id, other: otherId, token }) => {
        const { createClient } = globalThis as unknown as PageGlobals;
        const client = createClient({
          edgeUrl,
          share: true,
          headers: async () => ({ Authorization: token }),
        });
        const first = client.stream(id);
        await new Promise<void>((resolve) => first.on("state", (state) => state === "open" && resolve()));
        const second = client.stream(otherId);
        const whole = await second.text();
        const isShared = first.connectionId === second.connectionId;
        first.close();
        return { whole, isShared };
      },
      { ...urls(), other },
    );
    expect(added).toEqual({ whole: "Other", isShared: true });
  });

  test.each(["the gateway", "the edge"])("cancels with a token at %s", async (where) => {
    const page = await openPage(listed);
    const status = await page.evaluate(
      async ({ edgeUrl, gatewayUrl, streamId: id, token, isGateway }) => {
        const { createClient } = globalThis as unknown as PageGlobals;
        const headers = async () => ({ Authorization: token });
        const client = createClient({ edgeUrl, headers, ...(isGateway && { gatewayUrl }) });
        return client.stream(id).cancel();
      },
      { ...urls(), isGateway: where === "the gateway" },
    );
    expect(["open", "cancelled"]).toContain(status);
    await expect.poll(isCancelled, PATIENCE).toBe(true);
  });

  test("stops an answer with the stop() of the AI SDK", async () => {
    await post(`/streams/${streamId}/chunks`, [
      { type: "Json", data: { type: "start" } },
      { type: "Json", data: { type: "text-start", id: "t" } },
      { type: "Json", data: { type: "text-delta", id: "t", delta: "Hello" } },
    ]);
    const page = await openPage(listed);
    await page.evaluate(async (options) => {
      const chat = new (globalThis as unknown as PageGlobals).Chat(options);
      void chat.sendMessage({ text: "Hi" }).catch(() => undefined);
      while (chat.status !== "streaming") await new Promise((resolve) => setTimeout(resolve, 20));
      await chat.stop();
    }, urls());
    await expect.poll(isCancelled, PATIENCE).toBe(true);
  });

  test("reads with a plain EventSource that sends its cookies", async () => {
    const page = await openPage(listed);
    await post(`/streams/${streamId}/chunks`, [{ type: "Complete" }]);
    const read = await page.evaluate(
      ({ edgeUrl, streamId: id }) =>
        new Promise<string>((resolve, reject) => {
          const source = new EventSource(`${edgeUrl}/streams/${id}/events`, { withCredentials: true });
          let all = "";
          const take = (event: Event): void => {
            const { data } = event as unknown as { data: string };
            all += (JSON.parse(data) as { chunk_type: { content: string } }).chunk_type.content;
          };
          source.addEventListener("text", take);
          source.addEventListener("complete", () => {
            source.close();
            resolve(all);
          });
          source.addEventListener("error", () => reject(new Error("the EventSource failed")));
        }),
      urls(),
    );
    expect(read).toBe("Hello, world");
  });
});

test.skipIf(chromium === null)("a page of a site that isn't listed can neither read nor cancel", async () => {
  const page = await openPage(stranger);
  const failures = await page.evaluate(async ({ edgeUrl, gatewayUrl, streamId: id }) => {
    const { createClient } = globalThis as unknown as PageGlobals;
    const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);
    const read = createClient({ edgeUrl, maxAttempts: 0 }).stream(id).text().catch(codeOf);
    const cancelled = createClient({ edgeUrl, gatewayUrl }).cancel(id).catch(codeOf);
    const atEdge = createClient({ edgeUrl }).cancel(id).catch(codeOf);
    // Sent without a question beforehand, as a form could.
    const blind = fetch(`${gatewayUrl}/streams/${id}/cancel`, { method: "POST", mode: "no-cors" });
    await blind.catch(() => undefined);
    return Promise.all([read, cancelled, atEdge]);
  }, urls());
  expect(failures[0]).toBe("CONNECTION");
  expect(failures.slice(1)).toEqual([
    expect.stringContaining("TypeError"),
    expect.stringContaining("TypeError"),
  ]);
  expect(await isCancelled()).toBe(false);
});

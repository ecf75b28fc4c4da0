import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { listen, type HttpServer } from "@sluice/runtime";
import { afterEach, beforeEach, expect, test } from "vitest";
import { webPages } from "./static-pages.ts";

const BROWSER = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

let webRoot: string;
let http: HttpServer | undefined;

beforeEach(async () => {
  webRoot = await mkdtemp(join(tmpdir(), "sluice-web-pages-"));
});
afterEach(async () => {
  await http?.close(0);
  await rm(webRoot, { recursive: true });
});

async function build(): Promise<void> {
  for (const folder of ["chat", "console", "assets"]) await mkdir(join(webRoot, folder));
  for (const page of ["chat", "console"])
    await writeFile(join(webRoot, page, "index.html"), `<title>${page}</title>`);
  await writeFile(join(webRoot, "assets", "chat-1a2b3c.js"), "export {};");
  await writeFile(join(webRoot, ".stamp"), "");
}

async function serve(parts: Partial<Parameters<typeof webPages>[0]> = {}): Promise<void> {
  const app = express();
  app.use(webPages({ webRoot, edgeUrl: "https://edge.test:8443/", launcherUrl: "", ...parts }));
  app.get("/", (_request, response) => void response.json({ service: "sluice-gateway" }));
  http = await listen(app, { host: "127.0.0.1", port: 0 });
}

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${http?.port}${path}`, { headers, redirect: "manual" });
}

test("a browser that opens the gateway comes to the chat page, other clients get its routes", async () => {
  await build();
  await serve();
  const opened = await get("/", BROWSER);
  expect([opened.status, opened.headers.get("location")]).toEqual([302, "/chat/"]);
  for (const accept of ["*/*", "application/json"]) {
    expect(await (await get("/", { accept })).json()).toEqual({ service: "sluice-gateway" });
  }
});

test("pages are asked for each time, what they load is kept for ever", async () => {
  await build();
  await serve();
  for (const page of ["chat", "console"]) {
    const response = await get(`/${page}/?stream=abc`);
    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect(await response.text()).toContain(`<title>${page}</title>`);
    expect((await get(`/${page}`)).headers.get("location")).toBe(`/${page}/`);
  }
  const asset = await get("/assets/chat-1a2b3c.js");
  expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect(asset.headers.get("content-type")).toContain("javascript");
});

test("pages run only what comes from here, and talk to the edge", async () => {
  await build();
  await serve({ launcherUrl: "http://127.0.0.1:9999" });
  const policy = (await get("/chat/")).headers.get("content-security-policy");
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self';");
  expect(policy).toContain("connect-src 'self' https://edge.test:8443 http://127.0.0.1:9999;");
  expect(policy).not.toContain("unsafe");
});

test("pages learn at run time where the edge is", async () => {
  await build();
  await serve();
  const response = await get("/web-config.json");
  expect(response.headers.get("cache-control")).toBe("no-cache");
  expect(await response.json()).toEqual({ edge_url: "https://edge.test:8443/", launcher_url: null });
});

test("nothing but the pages and their assets is served", async () => {
  await build();
  await serve();
  for (const path of ["/.stamp", "/assets/../.stamp", "/assets/%2e%2e/.stamp", "/assets/none.js"]) {
    expect((await get(path)).status).toBe(404);
  }
});

test.each([
  ["where nothing was built", () => webRoot, /no build of the pages in WEB_ROOT/],
  ["where none are to be served", () => "", /WEB_ROOT is empty/],
])("%s, the page says so, and the routes stay what they are", async (_where, root, reason) => {
  await serve({ webRoot: root() });
  for (const page of ["/chat/", "/chat", "/console/"]) {
    const response = await get(page, BROWSER);
    expect(response.status).toBe(503);
    expect(await response.text()).toMatch(reason);
  }
  expect((await get("/", BROWSER)).status).toBe(200);
});

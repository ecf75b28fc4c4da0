import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import express from "express";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createBrowserAccess } from "./browser-access.ts";
import { listen, type HttpServer } from "./http-server.ts";
import { createLogger } from "./logger.ts";
import { noSuchRoute, problemHandler } from "./problem-response.ts";

const APP = "https://app.example";
const EVIL = "https://evil.example";
let server: HttpServer;
let done: string[];

beforeEach(async () => {
  done = [];
  const access = createBrowserAccess({ origins: `*, ${APP}/`, headers: "X-Own" });
  server = await listen(appWith(access), { host: "127.0.0.1", port: 0 });
});
afterEach(() => server.close(0));

function appWith(access: ReturnType<typeof createBrowserAccess>) {
  const app = express();
  app.use(access.guard);
  app.get("/private", (_request, response) => void response.json({}));
  app.use(access.readable);
  app.all(["/things", "/things/:id"], (request, response) => {
    done.push(request.method);
    response.json({});
  });
  return app.use(noSuchRoute).use(problemHandler(createLogger("test", "silent")));
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  code: string | undefined;
}

function call(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body = "",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: "127.0.0.1", port: server.port, method, path, headers },
      (response) => {
        let text = "";
        response.on("data", (data) => (text += String(data)));
        response.on("end", () => {
          const parsed = text === "" ? {} : (JSON.parse(text) as { code?: string });
          resolve({ status: response.statusCode ?? 0, headers: response.headers, code: parsed.code });
        });
      },
    );
    request.on("error", reject).end(body);
  });
}

const JSON_TYPE = { "content-type": "application/json" };
const own = () => `http://127.0.0.1:${server.port}`;

describe("what changes something", () => {
  test.each([
    ["a page of another origin", { origin: EVIL, "sec-fetch-site": "cross-site", ...JSON_TYPE }],
    ["a form of another origin", { origin: EVIL, "content-type": "text/plain" }],
    [
      "a page of the same site",
      { origin: "http://127.0.0.1:1", "sec-fetch-site": "same-site", ...JSON_TYPE },
    ],
    ["a page without an origin", { origin: "null", ...JSON_TYPE }],
    ["a browser that names no origin", { "sec-fetch-site": "cross-site", ...JSON_TYPE }],
    ["an origin like a listed one", { origin: `${APP}.evil.example`, ...JSON_TYPE }],
    ["an origin on another port", { origin: `${APP}:8443`, ...JSON_TYPE }],
    ["the listed name without TLS", { origin: "http://app.example", ...JSON_TYPE }],
    ["a star", { origin: "*", ...JSON_TYPE }],
  ])("is refused to %s", async (_what, headers: Record<string, string>) => {
    for (const method of ["POST", "DELETE", "PUT", "PATCH"]) {
      const answer = await call(method, "/things", headers);
      expect(answer).toMatchObject({ status: 403, code: "CROSS_SITE" });
      expect(answer.headers["content-type"]).toBe("application/problem+json");
    }
    expect(done).toEqual([]);
  });

  test("needs JSON from a browser, also without a body", async () => {
    const types = [
      undefined,
      "text/plain",
      "text/plain;application/json",
      "multipart/form-data",
      "application/jsonx",
    ];
    for (const type of types) {
      for (const site of [{ origin: own() }, { "sec-fetch-site": "same-origin" }, { origin: APP }] as const) {
        const headers = { ...site, ...(type === undefined ? {} : { "content-type": type }) };
        expect(await call("POST", "/things", headers)).toMatchObject({ status: 403, code: "CROSS_SITE" });
      }
    }
    expect(done).toEqual([]);
  });

  test.each([
    ["clients that are no browsers, with any type", () => ({ "content-type": "text/plain" })],
    ["them without a type", () => ({})],
    ["pages of this origin", () => ({ origin: own(), ...JSON_TYPE })],
    ["pages of this origin, as the browser says", () => ({ "sec-fetch-site": "same-origin", ...JSON_TYPE })],
    ["pages of a listed origin", () => ({ origin: APP, "sec-fetch-site": "cross-site", ...JSON_TYPE })],
    [
      "uploads of a listed origin",
      () => ({ origin: APP, "content-type": "Application/X-NDJSON; charset=utf-8" }),
    ],
    ["what the user sent himself", () => ({ "sec-fetch-site": "none", ...JSON_TYPE })],
  ])("is done for %s", async (_what, headers: () => Record<string, string>) => {
    expect((await call("POST", "/things", headers())).status).toBe(200);
    expect((await call("DELETE", "/things", headers())).status).toBe(200);
  });
});

describe("what is read", () => {
  test("may be read by all, and with credentials by listed origins", async () => {
    const other = await call("GET", "/things", { origin: EVIL });
    expect(other.headers["access-control-allow-origin"]).toBe("*");
    expect(other.headers["access-control-allow-credentials"]).toBeUndefined();
    const listed = await call("GET", "/things", { origin: APP });
    expect(listed.headers).toMatchObject({
      "access-control-allow-origin": APP,
      "access-control-allow-credentials": "true",
      "access-control-expose-headers": expect.stringContaining("Retry-After") as string,
    });
    for (const { headers } of [other, listed]) expect(headers.vary).toContain("Origin");
  });

  test("before that is for this origin alone", async () => {
    for (const origin of [EVIL, APP]) {
      const { status, headers } = await call("GET", "/private", { origin });
      expect(status).toBe(200);
      expect(headers["access-control-allow-origin"]).toBeUndefined();
    }
  });

  test("is not for other origins where none is listed", async () => {
    await server.close(0);
    server = await listen(appWith(createBrowserAccess({ origins: "" })), { host: "127.0.0.1", port: 0 });
    const { status, headers } = await call("GET", "/things", { origin: APP });
    expect(status).toBe(200);
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    const preflight = await call("OPTIONS", "/things", {
      origin: APP,
      "access-control-request-method": "GET",
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers["access-control-allow-origin"]).toBeUndefined();
  });

  test("and refusals can be read by the pages that they are for", async () => {
    const { status, headers } = await call("POST", "/things", { origin: APP });
    expect(status).toBe(403);
    expect(headers["access-control-allow-origin"]).toBe(APP);
  });
});

describe("a preflight", () => {
  const ask = (method: string, origin: string, path = "/things") =>
    call("OPTIONS", path, {
      origin,
      "access-control-request-method": method,
      "access-control-request-headers": "authorization, x-evil",
    });

  test("grants listed origins all that our clients send, on every path", async () => {
    for (const path of ["/things", "/things/x", "/private", "/nothing"]) {
      const { status, headers } = await ask("DELETE", APP, path);
      expect(status).toBe(204);
      expect(headers).toMatchObject({
        "access-control-allow-origin": APP,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET,HEAD,POST,DELETE",
      });
      const granted = headers["access-control-allow-headers"]?.toLowerCase().split(/\s*,\s*/);
      const sent =
        "authorization last-event-id cache-control idempotency-key content-type sluice-sequence sluice-client";
      const traced = "traceparent tracestate baggage sentry-trace x-own";
      expect(granted).toEqual(expect.arrayContaining(`${sent} ${traced}`.split(" ")));
      expect(granted).not.toContain("x-evil");
    }
  });

  test("grants others to read, and nothing else", async () => {
    const read = await ask("GET", EVIL);
    expect(read.headers["access-control-allow-origin"]).toBe("*");
    expect(read.headers["access-control-allow-methods"]).toBe("GET,HEAD");
    expect(read.headers["access-control-allow-credentials"]).toBeUndefined();
    for (const method of ["POST", "DELETE", "PUT"]) {
      const { status, headers } = await ask(method, EVIL);
      expect(status).toBe(204);
      expect(headers["access-control-allow-origin"]).toBeUndefined();
      expect(headers["access-control-allow-methods"]).toBeUndefined();
      expect(headers["access-control-allow-headers"]).toBeUndefined();
    }
  });
});

test("OPTIONS that is no preflight is told the methods of the path, or that there is no such path", async () => {
  const there = await call("OPTIONS", "/private");
  expect([there.status, there.headers.allow]).toEqual([204, "GET, HEAD, OPTIONS"]);
  expect(await call("OPTIONS", "/nothing")).toMatchObject({ status: 404, code: "NOT_FOUND" });
});

import { StreamError } from "@sluice/core";
import { HTTP_HEADERS } from "@sluice/protocol";
import cors, { type CorsOptions } from "cors";
import type { Express, Request, RequestHandler } from "express";
import { splitList } from "./allowed-hosts.ts";
import { allowedMethods } from "./mounted-routes.ts";

export interface BrowserAccessOptions {
  /**
   * Origins whose pages may read and write (`https://app.example.com`), separated by commas; `*` among them: all others may
   * read. Empty: none.
   */
  origins: string;
  /** More headers that pages of other origins may send, separated by commas. */
  headers?: string;
}

/** Rights of web pages of other origins at a server. Clients that are no browsers notice nothing of it. */
export interface BrowserAccess {
  /**
   * Answers preflights, of any path, and refuses what a page must not do: a method that changes something needs a page of
   * this origin or of a listed one, and a body that is JSON, or none of that type. For all routes.
   */
  readonly guard: RequestHandler;
  /** Lets pages of other origins read the answers. For routes behind it. */
  readonly readable: RequestHandler;
}

const READS = ["GET", "HEAD"];
const ALL_METHODS = [...READS, "POST", "DELETE"];

/** Headers that our clients send, and those that tracing adds by itself. */
const REQUEST_HEADERS = [
  "Accept",
  "Authorization",
  "Cache-Control",
  "Content-Type",
  "Last-Event-ID",
  HTTP_HEADERS.idempotencyKey,
  HTTP_HEADERS.sequence,
  HTTP_HEADERS.client,
  "traceparent",
  "tracestate",
  "baggage",
  "sentry-trace",
];

const ANSWER_HEADERS = [
  "Sluice-Resume-Token",
  "Sluice-Connection-Id",
  "Sluice-Next-After",
  "Sluice-Head",
  "Sluice-Status",
  "Sluice-Gaps",
  HTTP_HEADERS.replayed,
  "Location",
  "Retry-After",
];

const DAY_SECONDS = 86_400;

export function createBrowserAccess(options: BrowserAccessOptions): BrowserAccess {
  const origins = splitList(options.origins);
  const listed = origins.filter((origin) => origin !== "*").map((origin) => origin.replace(/\/+$/, ""));
  const common: CorsOptions = {
    allowedHeaders: [...REQUEST_HEADERS, ...splitList(options.headers ?? "")],
    exposedHeaders: ANSWER_HEADERS,
    maxAge: DAY_SECONDS,
    optionsSuccessStatus: 204,
  };
  const forListed: CorsOptions = { ...common, origin: listed, methods: ALL_METHODS, credentials: true };
  const forNobody: CorsOptions = { origin: [], methods: [], allowedHeaders: [], optionsSuccessStatus: 204 };
  const forOthers: CorsOptions = origins.includes("*")
    ? { ...common, origin: "*", methods: READS }
    : forNobody;
  const isListed = (request: Pick<Request, "headers">): boolean =>
    listed.includes(request.headers.origin ?? "");
  const isRead = (request: Request): boolean =>
    READS.includes(request.get("access-control-request-method") ?? request.method);
  const share = cors<Request>((request, callback) => {
    const unlisted = isRead(request) ? forOthers : forNobody;
    callback(null, isListed(request) ? forListed : unlisted);
  });
  const readable: RequestHandler = (request, response, next) => {
    // A cache must not give one origin what was said to another.
    if (listed.length > 0) response.vary("Origin");
    if (request.method === "OPTIONS") next();
    else share(request, response, next);
  };
  const guard: RequestHandler = (request, response, next) => {
    if (request.method === "OPTIONS") {
      if (request.get("access-control-request-method") === undefined) tellMethods(request, response, next);
      else share(request, response, next);
      return;
    }
    if (READS.includes(request.method)) {
      next();
      return;
    }
    readable(request, response, () => next(crossSiteRefusal(request, isListed(request)) ?? undefined));
  };
  return { guard, readable };
}

/** `OPTIONS` of a program that asks what a path takes. */
const tellMethods: RequestHandler = (request, response, next) => {
  const methods = allowedMethods(request.app as Express, request.path);
  if (methods.length === 0) {
    next();
    return;
  }
  response.setHeader("Allow", [...methods, "OPTIONS"].join(", "));
  response.status(204).end();
};

/** Reason why a browser may not send a request that changes something; null: it may, or no browser sent it. */
function crossSiteRefusal(request: Request, isListed: boolean): StreamError | null {
  const site = request.get("sec-fetch-site");
  const { origin } = request.headers;
  if (site === undefined && origin === undefined) return null;
  if (!isListed && !isSameOrigin(request, site, origin)) {
    const detail =
      "a web page of another origin may not do this: its operator can add the origin to CORS_ORIGINS";
    return new StreamError("CROSS_SITE", detail);
  }
  if (request.method === "DELETE" || isJson(request.get("content-type"))) return null;
  const detail = "a web page must send Content-Type: application/json, also without a body";
  return new StreamError("CROSS_SITE", detail);
}

/** Judges by what the browser says; where it says nothing, as on plain HTTP, the origin must be that of the request. */
function isSameOrigin(request: Request, site: string | undefined, origin: string | undefined): boolean {
  if (site === "same-origin") return true;
  // Typed by the user, or sent by an extension; a page would have an origin.
  if (site === "none") return origin === undefined;
  if (site !== undefined || origin === undefined) return false;
  const own = request.get("host")?.toLowerCase();
  return own !== undefined && [`http://${own}`, `https://${own}`].some((url) => originOf(url) === origin);
}

function originOf(url: string): string | null {
  return URL.parse(url)?.origin ?? null;
}

/** None of these can be sent by a form, nor by a script without asking first. */
function isJson(contentType: string | undefined): boolean {
  return /^\s*application\/([\w.+-]+\+)?(json|x-ndjson)\s*(;|$)/i.test(contentType ?? "");
}

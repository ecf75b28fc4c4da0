import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import express, { Router, type RequestHandler, type Response } from "express";

export interface WebPageOptions {
  /** Holds the built pages; empty: this gateway serves none. */
  webRoot: string;
  /** Address at which browsers reach the edge. */
  edgeUrl: string;
  /** Address at which `npm start` lets its pages kill an edge; empty everywhere else. */
  launcherUrl: string;
}

const PAGES = ["chat", "console"] as const;
const YEAR_SECONDS = 31_536_000;

/**
 * The chat page and the console. One build serves every deployment: what differs is in `/web-config.json`, which the
 * pages read first.
 */
export function webPages(parts: WebPageOptions): Router {
  const { webRoot, edgeUrl, launcherUrl } = parts;
  const router = Router();
  if (webRoot === "" || !PAGES.every((page) => existsSync(join(webRoot, page, "index.html")))) {
    router.get(["/chat", "/console"], notBuilt(webRoot));
    return router;
  }
  router.get("/", (request, response, next) => {
    response.vary("Accept");
    if (isBrowser(request.get("accept"))) response.redirect(302, "/chat/");
    else next();
  });
  router.get("/web-config.json", (_request, response) => {
    response.setHeader("Cache-Control", "no-cache");
    response.json({ edge_url: edgeUrl, launcher_url: launcherUrl === "" ? null : launcherUrl });
  });
  const policy = contentSecurityPolicy([edgeUrl, launcherUrl]);
  const setHeaders = (response: Response, path: string): void => {
    response.setHeader("X-Content-Type-Options", "nosniff");
    // Assets are named by their content; pages are not, and must not outlive a deploy.
    const isPage = path.endsWith(".html");
    response.setHeader("Cache-Control", isPage ? "no-cache" : `public, max-age=${YEAR_SECONDS}, immutable`);
    if (isPage) setPageHeaders(response, policy);
  };
  const options = { setHeaders, index: "index.html", redirect: true, dotfiles: "ignore" } as const;
  for (const folder of [...PAGES, "assets"]) {
    router.use(`/${folder}`, express.static(join(webRoot, folder), options));
  }
  return router;
}

/** Browsers name `text/html` when a page is opened; `fetch`, curl and SDKs don't. */
function isBrowser(accept: string | undefined): boolean {
  return accept?.includes("text/html") ?? false;
}

function setPageHeaders(response: Response, policy: string): void {
  response.setHeader("Content-Security-Policy", policy);
  response.setHeader("Referrer-Policy", "same-origin");
}

/** Nothing inline, nothing from elsewhere; the pages talk to the gateway, the edge and, in development, the launcher. */
function contentSecurityPolicy(connectTo: readonly string[]): string {
  const origins = connectTo.filter((url) => url !== "").map((url) => new URL(url).origin);
  return [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self'",
    `connect-src ${["'self'", ...new Set(origins)].join(" ")}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** Says so where a page was expected: a bare 404 would not tell what is missing. */
function notBuilt(webRoot: string): RequestHandler {
  const reason =
    webRoot === ""
      ? "This gateway serves no pages: its setting WEB_ROOT is empty."
      : `There is no build of the pages in WEB_ROOT (${webRoot}).`;
  const style = "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}";
  const hash = createHash("sha256").update(style).digest("base64");
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sluice: pages not built</title><style>${style}</style>
<h1>The pages are not built</h1>
<p>${escapeHtml(reason)}</p>
<p>From a checkout, <code>npm start</code> builds and serves them; by hand, <code>npm run build:web</code> and
<code>WEB_ROOT=services/web/dist</code>. The API works without them: <a href="/">its routes</a>.</p></html>\n`;
  return (_request, response) => {
    setPageHeaders(response, `default-src 'none'; style-src 'sha256-${hash}'`);
    response.setHeader("Cache-Control", "no-store");
    response.status(503).type("html").send(page);
  };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

import { StreamError } from "@sluice/core";
import { commentFrame, HTTP_HEADERS, retryFrame } from "@sluice/protocol";
import { sendProblem } from "@sluice/runtime";
import type { Request, Response } from "express";
import { setStreamHeaders } from "./response-headers.ts";

/**
 * Refuses in the way the client survives. A browser's EventSource gives up for good on a 503, so where the reason
 * may pass it gets an empty stream instead that asks it to come again and breaks off. Whoever doesn't ask for an event stream, or
 * is one of our clients, gets problem+json.
 */
export function refuse(request: Request, response: Response, error: unknown, retryMs: number): void {
  const isPassing = error instanceof StreamError && error.retryable;
  if (!isPassing || !isEventSource(request)) {
    sendProblem(response, error);
    return;
  }
  setStreamHeaders(response);
  const text = retryFrame(retryMs) + commentFrame(`${error.code}: ${error.message}`);
  // Broken off, not ended: some readers take a clean end for the end of the stream.
  const { socket } = response;
  if (socket === null) response.end(text);
  else response.write(text, () => socket.destroySoon());
}

/** Browsers' EventSource sends exactly this, fetch and curl send what they are told to, or any. */
function isEventSource(request: Request): boolean {
  return (
    request.get(HTTP_HEADERS.client) === undefined &&
    (request.get("accept") ?? "").includes("text/event-stream")
  );
}

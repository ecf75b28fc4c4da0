import { STATUS_CODES, type ServerResponse } from "node:http";
import { StreamError } from "@sluice/core";
import { PROBLEM_CONTENT_TYPE, problemOf } from "@sluice/protocol";

/** Seconds that a client is asked to wait after a refusal that may pass, where the refusal itself doesn't say. */
const RETRY_AFTER_SECONDS = 1;

/** Answers with problem+json; the response must not have begun. */
export function sendProblem(response: ServerResponse, error: unknown): void {
  const problem = problemOf(error);
  const body = JSON.stringify(problem);
  response.statusCode = problem.status;
  for (const [name, value] of problemHeaders(error, body)) response.setHeader(name, value);
  response.end(body);
}

/** The same answer as bytes, for a connection on which no request could be read. It is the connection's last one. */
export function problemBytes(error: unknown): string {
  const problem = problemOf(error);
  const body = JSON.stringify(problem);
  const headers = [...problemHeaders(error, body), ["Connection", "close"]];
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ""}\r\n${lines}\r\n${body}`;
}

/** A refusal of now is no news later: no cache may keep it. */
function problemHeaders(error: unknown, body: string): [string, string][] {
  const headers: [string, string][] = [
    ["Content-Type", PROBLEM_CONTENT_TYPE],
    ["Content-Length", String(Buffer.byteLength(body))],
    ["Cache-Control", "no-store"],
  ];
  if (error instanceof StreamError && error.retryable)
    headers.push(["Retry-After", String(retryAfterSeconds(error))]);
  return headers;
}

/** A refusal that knows when it will have passed says so in its details. */
function retryAfterSeconds({ details }: StreamError): number {
  const seconds = details["retry_after_seconds"];
  return typeof seconds === "number" ? seconds : RETRY_AFTER_SECONDS;
}

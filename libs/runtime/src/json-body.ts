import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable, Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { StreamError } from "@sluice/core";
import type { Request, RequestHandler, Response } from "express";
import type { BodyBudget, BodyLease } from "./body-budget.ts";
import { BodyPace, type BodyPaceLimits } from "./body-pace.ts";
import { ByteGatherer } from "./byte-gatherer.ts";

export interface JsonBodyParts {
  budget: BodyBudget;
  pace: BodyPaceLimits;
  /** Largest body, unpacked. */
  maxBytes: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a body of JSON in UTF-8, packed by gzip, deflate or brotli or not at all; undefined where there is none. What it takes of the budget is held until the answer is over.
 * @throws StreamError CHUNK_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, REQUEST_TIMEOUT, TOO_MANY_REQUESTS, OVERLOADED
 */
export function jsonReader(parts: JsonBodyParts): (request: Request, response: Response) => Promise<unknown> {
  return async (request, response) => {
    if (!hasBody(request)) return undefined;
    assertUtf8(request);
    const address = request.ip ?? "";
    // What can't be held to its end isn't begun.
    parts.budget.assertRoom(address, Number(request.headers["content-length"] ?? 0));
    const lease = parts.budget.lease(address);
    response.once("close", () => lease.release());
    return parseJson(await readBody(request, response, parts, lease));
  };
}

/** The same as a middleware: what it reads is in `request.body`. */
export function jsonBody(parts: JsonBodyParts): RequestHandler {
  const read = jsonReader(parts);
  return async (request, response, next) => {
    request.body = await read(request, response);
    next();
  };
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Lets a client that asked first send its body now. Call it before a body is read. */
export function acceptBody(request: IncomingMessage, response: ServerResponse): void {
  if (/\b100-continue\b/i.test(request.headers.expect ?? "") && !response.headersSent)
    response.writeContinue();
}

const UTF_8 = /^(utf-?8|us-ascii)$/i;

/** @throws StreamError UNSUPPORTED_MEDIA_TYPE where the body says that it is in another charset than UTF-8 */
export function assertUtf8({ headers }: IncomingMessage): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers["content-type"] ?? "")?.[1];
  if (charset === undefined || UTF_8.test(charset)) return;
  throw new StreamError("UNSUPPORTED_MEDIA_TYPE", `the charset ${charset} is not taken: send UTF-8`);
}

/** @throws StreamError UNSUPPORTED_MEDIA_TYPE where the body is packed in any way */
export function assertUnpacked({ headers }: IncomingMessage): void {
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding.trim().toLowerCase() === "identity") return;
  const detail = `Content-Encoding: ${encoding} is not taken here: send the body as it is`;
  throw new StreamError("UNSUPPORTED_MEDIA_TYPE", detail);
}

async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  { maxBytes, pace: limits }: JsonBodyParts,
  lease: BodyLease,
): Promise<Buffer> {
  const declared = Number(request.headers["content-length"] ?? maxBytes);
  if (declared > maxBytes)
    throw new StreamError("CHUNK_TOO_LARGE", `the body has more than ${maxBytes} bytes`);
  const unpacking = unpackingOf(request);
  const gathered = new ByteGatherer(unpacking === null ? declared : maxBytes, lease);
  acceptBody(request, response);
  const source: Readable = unpacking === null ? request : request.pipe(unpacking);
  let pace: BodyPace | undefined;
  const onRequestData = (piece: Buffer): void => pace?.received(piece.byteLength);
  try {
    await new Promise<void>((resolve, reject) => {
      pace = new BodyPace(limits, reject);
      request.on("data", onRequestData);
      source.on("data", (piece: Buffer) => {
        try {
          gathered.push(piece);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
      source.once("end", resolve);
      unpacking?.once("error", (error) => {
        reject(new StreamError("INVALID_REQUEST", `the body can't be unpacked: ${error.message}`));
      });
      request.once("error", reject);
      request.once("close", () => {
        if (!request.complete) reject(new StreamError("CONNECTION", "the sender went away"));
      });
    });
    return gathered.take();
  } finally {
    pace?.stop();
    source.removeAllListeners("data");
    request.off("data", onRequestData);
    if (unpacking !== null) {
      request.unpipe(unpacking);
      unpacking.destroy();
    }
  }
}

/** Null where the body is sent as it is. @throws StreamError UNSUPPORTED_MEDIA_TYPE */
function unpackingOf({ headers }: IncomingMessage): Transform | null {
  const encoding = (headers["content-encoding"] ?? "identity").trim().toLowerCase();
  if (encoding === "identity") return null;
  if (encoding === "gzip" || encoding === "x-gzip") return createGunzip();
  if (encoding === "deflate") return createInflate();
  if (encoding === "br") return createBrotliDecompress();
  const detail = `Content-Encoding: ${encoding} is not known: send gzip, deflate, br, or the body as it is`;
  throw new StreamError("UNSUPPORTED_MEDIA_TYPE", detail);
}

/** Undefined where the body is empty. @throws StreamError INVALID_REQUEST */
function parseJson(bytes: Buffer): unknown {
  if (bytes.byteLength === 0) return undefined;
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : "it is not in UTF-8";
    throw new StreamError("INVALID_REQUEST", `the body is not JSON: ${reason}`);
  }
}

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { StreamError } from "@sluice/core";
import { AddressCounts } from "./address-counts.ts";
import type { HttpLimits } from "./http-limits.ts";
import { problemBytes, sendProblem } from "./send-problem.ts";

/** A connection as HTTP has it. Detached: somebody else writes to its socket from now on. */
export type HttpConnection = Duplex & { readonly isDetached?: boolean };

/** `idle`: between requests. `streaming`: an answer has begun and goes on. `closing`: answered for the last time. */
export type SocketState = "idle" | "active" | "streaming" | "closing";

interface TrackedSocket {
  readonly socket: Socket;
  readonly http: HttpConnection;
  readonly address: string;
  /** The answer that is being made; the requests behind it wait for it. */
  response: ServerResponse | null;
  waiting: (() => void)[];
  /** True once input is ignored, since the last answer is among those that wait. */
  isRefusing: boolean;
  ignored: number;
  isClosing: boolean;
  probe: NodeJS.Timeout | undefined;
  /** Must be called when the socket was taken over and HTTP is done with it. */
  readonly onDetached: () => void;
}

/** State that a socket's listeners share; null once it was taken over from HTTP. */
interface Holder {
  tracked: TrackedSocket | null;
}

// A client that was refused while it sends has to read the answer: a close with unread bytes would take it away.
const LINGER_MS = 1_000;

// Of a body that nobody wants any more this much is read, so that a client that reads late finds its answer.
const MAX_DISCARDED_BYTES = 256 * 1024;
const DISCARD_CHECK_MS = 5;

// Requests that come before earlier ones are answered are kept in memory, in this number at most.
const MAX_UNANSWERED = 64;

// Of those beyond it, too, something is kept: a client that goes on and on is cut.
const MAX_IGNORED = 1_000;

// Beyond the limit this many more are answered before they are closed; the rest is closed without a word.
const MAX_REFUSED = 256;

// Only who waits for long for an answer ever sees a probe.
const PROBE_INTERVAL_MS = 1_000;

/**
 * The sockets of an HTTP server: counted, bounded in all and by client, and closed in good order whatever the client does.
 * Requests that a client sends ahead are served one after another, so that a socket costs one request at a time.
 */
export class OpenSockets {
  readonly #limits: Pick<HttpLimits, "maxSockets" | "maxSocketsPerAddress">;
  readonly #tracked = new Map<Duplex, TrackedSocket>();
  readonly #byAddress = new AddressCounts();
  readonly #refused = new Set<Socket>();
  /** How many were taken over from HTTP. Nothing else is kept of them: they are there for hours. */
  #detached = 0;

  constructor(limits: Pick<HttpLimits, "maxSockets" | "maxSocketsPerAddress">) {
    this.#limits = limits;
  }

  /** Refuses a socket that is one too many: with an answer, as long as not too many are refused at once. */
  admits(socket: Socket): boolean {
    const refusal = this.#refusal(socket.remoteAddress ?? "");
    if (refusal === null) return true;
    socket.on("error", () => socket.destroy());
    if (this.#refused.size >= MAX_REFUSED) {
      socket.destroy();
      return false;
    }
    this.#refused.add(socket);
    socket.once("close", () => this.#refused.delete(socket));
    socket.end(problemBytes(refusal));
    linger(socket, socket);
    return false;
  }

  /** @param http what HTTP reads and writes; the socket itself, or what stands in for it */
  add(socket: Socket, http: HttpConnection): void {
    const address = socket.remoteAddress ?? "";
    const holder: Holder = { tracked: null };
    const tracked: TrackedSocket = {
      onDetached: () => {
        holder.tracked = null;
        this.#tracked.delete(http);
        this.#detached++;
      },
      socket,
      http,
      address,
      response: null,
      waiting: [],
      isRefusing: false,
      ignored: 0,
      isClosing: false,
      probe: undefined,
    };
    holder.tracked = tracked;
    this.#tracked.set(http, tracked);
    this.#watch(socket, address, holder);
    // Node's own way to close after an answer, which may take the answer away.
    (http as Socket).destroySoon = () => this.#close(tracked);
  }

  /** Lives as long as the socket, and so does what functions made in here refer to: never what HTTP has. */
  #watch(socket: Socket, address: string, holder: Holder): void {
    this.#byAddress.add(address, 1);
    socket.once("close", () => {
      this.#byAddress.add(address, -1);
      if (holder.tracked === null) this.#detached--;
      else {
        clearInterval(holder.tracked.probe);
        this.#tracked.delete(holder.tracked.http);
      }
    });
    socket.once("end", () => {
      if (holder.tracked !== null) this.#onHalfClosed(holder.tracked);
    });
  }

  /** Serves a request when those before it on its socket are answered. Never, where the socket is closed before. */
  serve(request: IncomingMessage, response: ServerResponse, handle: () => void): void {
    const tracked = this.#tracked.get(request.socket);
    // What was sent behind a stream's request, and read only after its body: the connection carries the stream now.
    if (tracked === undefined || tracked.isClosing || tracked.http.isDetached === true) return;
    if (tracked.isRefusing) {
      if (++tracked.ignored > MAX_IGNORED) tracked.http.destroy();
    } else if (tracked.response === null) this.#begin(tracked, request, response, handle);
    else if (tracked.waiting.length < MAX_UNANSWERED - 1)
      tracked.waiting.push(() => this.#begin(tracked, request, response, handle));
    else {
      tracked.isRefusing = true;
      tracked.waiting.push(() => this.#begin(tracked, request, response, () => refusePipeline(response)));
    }
  }

  /**
   * Closes a connection on which nothing more can be read, after an answer that says why: in the place of the answer to
   * the request that is at fault, and after those to the requests before it. Once: later calls do nothing.
   */
  refuse(http: Duplex, bytes: string): void {
    const tracked = this.#tracked.get(http);
    if (tracked === undefined) {
      http.destroy();
      return;
    }
    if (tracked.isClosing || tracked.isRefusing) return;
    if (!http.writable) {
      http.destroy();
      return;
    }
    const { response } = tracked;
    const answer = (): void => {
      if (http.writable) http.write(bytes);
      this.#close(tracked);
    };
    if (response === null || !response.req.complete) {
      if (response?.headersSent === true) this.#close(tracked);
      else answer();
      return;
    }
    tracked.isRefusing = true;
    tracked.waiting.push(answer);
  }

  counts(): Record<SocketState, number> {
    const counts = { idle: 0, active: 0, streaming: this.#detached, closing: this.#refused.size };
    for (const tracked of this.#tracked.values()) counts[stateOf(tracked)]++;
    return counts;
  }

  /** Cuts all that HTTP has, and those that were refused. */
  destroyAll(): void {
    for (const socket of this.#refused) socket.destroy();
    for (const { http } of this.#tracked.values()) if (http.isDetached !== true) http.destroy();
  }

  #refusal(address: string): StreamError | null {
    const { maxSockets, maxSocketsPerAddress } = this.#limits;
    if (this.#tracked.size + this.#detached >= maxSockets)
      return new StreamError("OVERLOADED", "this server has too many connections; try again");
    if (maxSocketsPerAddress > 0 && this.#byAddress.of(address) >= maxSocketsPerAddress)
      return new StreamError("TOO_MANY_REQUESTS", "your address has too many connections here; close some");
    return null;
  }

  #begin(
    tracked: TrackedSocket,
    request: IncomingMessage,
    response: ServerResponse,
    handle: () => void,
  ): void {
    tracked.response = response;
    response.once("finish", () => {
      if (!request.complete && tracked.http.isDetached !== true) this.#closeUnlessOver(tracked, request);
    });
    response.once("close", () => {
      tracked.response = null;
      const { http, isClosing } = tracked;
      if (isClosing || http.destroyed || http.isDetached === true) tracked.waiting = [];
      if (http.isDetached === true) tracked.onDetached();
      else tracked.waiting.shift()?.();
    });
    handle();
  }

  /**
   * Grace for a client that is still sending the body of an answered request: it may end that within a moment, and in vain. A long one is
   * not read to its end: that costs more than it is worth.
   */
  #closeUnlessOver(tracked: TrackedSocket, request: IncomingMessage): void {
    const { socket } = tracked;
    request.resume();
    const before = socket.bytesRead;
    const watch = setInterval(() => {
      if (socket.bytesRead - before > MAX_DISCARDED_BYTES) socket.pause();
    }, DISCARD_CHECK_MS);
    const timer = setTimeout(() => {
      clearInterval(watch);
      if (!request.complete) this.#close(tracked);
    }, LINGER_MS);
    request.once("close", () => {
      clearInterval(watch);
      clearTimeout(timer);
    });
  }

  #close(tracked: TrackedSocket): void {
    const { http, socket } = tracked;
    if (http.isDetached === true) {
      http.end(() => void http.destroy());
      return;
    }
    if (tracked.isClosing) return;
    tracked.isClosing = true;
    tracked.waiting = [];
    http.end();
    linger(http, socket);
  }

  /**
   * A client that says that it sends no more may still wait for its answer, or be gone: only writing tells. While no answer
   * has begun, an interim response is written each second.
   */
  #onHalfClosed(tracked: TrackedSocket): void {
    if (tracked.response === null || tracked.isClosing) return;
    tracked.probe = setInterval(() => {
      const { response } = tracked;
      if (response === null || tracked.isClosing || tracked.http.isDetached === true)
        clearInterval(tracked.probe);
      else if (!response.headersSent && response.req.httpVersion !== "1.0") response.writeProcessing();
    }, PROBE_INTERVAL_MS);
  }
}

function stateOf({ http, response, isClosing }: TrackedSocket): SocketState {
  if (http.isDetached === true) return "streaming";
  if (isClosing) return "closing";
  if (response === null) return "idle";
  return response.headersSent ? "streaming" : "active";
}

/** Reads on, in vain, until the client has closed its half, or for a moment. Begins when all that was written has left. */
function linger(http: Duplex, socket: Socket): void {
  const destroy = (): void => void http.destroy();
  const begin = (): void => {
    if (http.readableEnded) {
      destroy();
      return;
    }
    const timer = setTimeout(destroy, LINGER_MS);
    http.once("end", destroy);
    http.once("close", () => clearTimeout(timer));
    socket.resume();
    http.resume();
  };
  if (http.writableFinished) begin();
  else http.once("finish", begin);
}

function refusePipeline(response: ServerResponse): void {
  response.setHeader("Connection", "close");
  const detail = `a connection may have at most ${MAX_UNANSWERED} requests without an answer`;
  sendProblem(response, new StreamError("TOO_MANY_REQUESTS", detail));
}

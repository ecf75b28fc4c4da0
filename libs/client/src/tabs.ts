import type { ClientHost } from "./client-host.ts";
import type { Sharing } from "./client.ts";
import type { Follow, Follower, Leave } from "./follower.ts";
import type { HeadersSource } from "./http.ts";
import type { Frame } from "./sse.ts";
import { errorOf, TABS_VERSION, type TabPort, type ToPage, type ToWorker } from "./tabs-messages.ts";
import { onWake } from "./wake.ts";

/** The part of a SharedWorker that is used. */
export interface TabsWorker {
  readonly port: TabPort;
  addEventListener(type: "error", listener: () => void): void;
}

// A worker whose script can't be loaded or is of another release says nothing, and not every browser tells of an error.
const WELCOME_WITHIN_MS = 10_000;

interface Page {
  SharedWorker?: new (url: URL, options: object) => TabsWorker;
  addEventListener?: (type: string, listener: (event: { persisted: boolean }) => void) => void;
}

/**
 * Carries the streams of all tabs of a browser together: a SharedWorker reads each stream once, however many tabs show it,
 * and all of them on as few connections as `share: true` needs. Without it every tab has a connection of its own, of which
 * browsers open only six to a host over HTTP/1.1: the seventh tab waits. Over HTTP/2 or 3 there is no such limit, and
 * `share: true` is enough.
 *
 * Applies to tabs of one origin whose clients have the same `edgeUrl`, `maxAttempts` and `keepAliveMs`. `headers` is called
 * in one of the tabs; tabs of different users need workers of different names. Reading uses the worker's `fetch`, not the
 * client's. Where there is no SharedWorker, or its script can't be loaded within 10 seconds, streams are read as with
 * `share: true`. A stream with `tail` keeps a connection of its own.
 *
 * @param openWorker creates the worker. By default it is the script that comes with this package, found by its URL as Vite,
 * webpack, Parcel and Rollup do; where a bundler can't, write a script of two lines that calls `serveTabs()` of
 * `@sluice/client/tabs-server`, and create a SharedWorker of it here.
 *
 * @example
 * ```ts
 * import { createClient } from "@sluice/client";
 * import { shareTabs } from "@sluice/client/tabs";
 *
 * export const client = createClient({ edgeUrl: "https://edge.example.org", share: shareTabs() });
 * ```
 */
export function shareTabs(openWorker: () => TabsWorker = openOwnWorker): Sharing {
  return (host, headers) => {
    let tab: Tab | null = null;
    let isImpossible = false;
    return (follower) => {
      try {
        // Created at the first use, as connections are.
        if (!isImpossible) tab ??= new Tab(openWorker(), host, headers);
      } catch {
        isImpossible = true;
      }
      return tab === null ? host.followShared(follower) : tab.follow(follower);
    };
  };
}

function openOwnWorker(): TabsWorker {
  const { SharedWorker } = globalThis as Page;
  if (SharedWorker === undefined) throw new Error("There is no SharedWorker here");
  return new SharedWorker(new URL("./tabs-worker.ts", import.meta.url), { type: "module", name: "sluice" });
}

interface Followed {
  readonly follower: Follower;
  /** Work on what has arrived, which is done in order. */
  work: Promise<void>;
}

/** Port of this page to the worker. */
class Tab {
  readonly #port: TabPort;
  readonly #host: ClientHost;
  readonly #headers: HeadersSource | undefined;
  readonly #followed = new Map<number, Followed>();
  #lastKey = 0;
  #isBroken = false;

  constructor(worker: TabsWorker, host: ClientHost, headers: HeadersSource | undefined) {
    this.#port = worker.port;
    this.#host = host;
    this.#headers = headers;
    const overdue = setTimeout(() => this.#giveUp(), WELCOME_WITHIN_MS);
    worker.addEventListener("error", () => this.#giveUp());
    this.#port.addEventListener("message", (event) => {
      const data = event.data as ToPage;
      if (data.kind === "welcome") clearTimeout(overdue);
      else if (data.kind === "headers") void this.#answer(data.question, data.wasRefused);
      else this.#take(data);
    });
    this.#port.start();
    const { edgeUrl, maxAttempts, keepAliveMs } = host;
    const settings = { edgeUrl, maxAttempts, keepAliveMs, hasHeaders: headers !== undefined };
    this.#send({ kind: "hello", version: TABS_VERSION, settings });
    onWake((isOnline) => this.#send({ kind: "wake", isOnline }));
    const page = globalThis as Page;
    page.addEventListener?.("pagehide", () => this.#send({ kind: "bye" }));
    // A page that the browser kept for "back" goes on where it was.
    page.addEventListener?.("pageshow", ({ persisted }) => persisted && this.#followAgain(this.follow));
  }

  readonly follow: Follow = (follower) => {
    const { id, options, reader } = follower;
    // Only the server knows where it begins.
    if (reader.cursor === null || reader.cursor < 0) return this.#host.followAlone(follower);
    if (this.#isBroken) return this.#host.followShared(follower);
    const key = ++this.#lastKey;
    const { compact, wait } = options;
    this.#followed.set(key, { follower, work: Promise.resolve() });
    follower.changed("connecting", null);
    this.#send({
      kind: "follow",
      key,
      streamId: id,
      cursor: reader.cursor,
      options: { ...(compact !== undefined && { compact }), ...(wait !== undefined && { wait }) },
    });
    return this.#leaveOf(key);
  };

  #leaveOf(key: number): Leave {
    return () => {
      if (this.#followed.delete(key)) this.#send({ kind: "leave", key });
    };
  }

  #take(message: Extract<ToPage, { key: number }>): void {
    const followed = this.#followed.get(message.key);
    if (followed === undefined) return;
    followed.work = followed.work.then(async () => {
      const { follower } = followed;
      if (this.#followed.get(message.key) !== followed) return;
      if (message.kind === "frames") await this.#takeFrames(message.key, followed, message.frames);
      else if (message.kind === "state")
        follower.changed(message.state, errorOf(message.error), message.connectionId);
      else {
        this.#followed.delete(message.key);
        follower.over(errorOf(message.error), message.status);
      }
    });
  }

  /** A page that has no room for more doesn't say that it took them, so no more is sent to it. */
  async #takeFrames(key: number, followed: Followed, frames: readonly string[]): Promise<void> {
    const { follower } = followed;
    let characters = 0;
    for (const frame of frames) {
      if (this.#followed.get(key) !== followed) return;
      characters += frame.length;
      try {
        follower.reader.take(JSON.parse(frame) as Frame);
      } catch {
        // It must be read again from the reader's position.
        this.#leaveOf(key)();
        follower.carryOn(this.follow);
        return;
      }
      await follower.room();
    }
    this.#send({ kind: "took", key, characters });
  }

  async #answer(question: number, wasRefused: boolean): Promise<void> {
    let headers: [string, string][] | null = null;
    try {
      headers = [...new Headers(await this.#headers?.(wasRefused))];
    } catch {
      // The worker counts it as a failed attempt.
    }
    this.#send({ kind: "headers", question, headers });
  }

  #followAgain(follow: Follow): void {
    const followed = [...this.#followed.values()];
    this.#followed.clear();
    for (const { follower } of followed) follower.carryOn(follow);
  }

  /** There is no worker to talk to: this page reads by itself. */
  #giveUp(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#send({ kind: "bye" });
    this.#followAgain(this.#host.followShared);
  }

  #send(message: ToWorker): void {
    this.#port.postMessage(message);
  }
}

import { createHost, type ClientHost } from "./client-host.ts";
import { createSend } from "./http.ts";
import { TabReading, type TabFollower } from "./tab-reading.ts";
import { TABS_VERSION, type TabPort, type TabSettings, type ToPage, type ToWorker } from "./tabs-messages.ts";

// A page that is frozen or gone doesn't answer; the next one is asked.
const HEADERS_WITHIN_MS = 5_000;
// Every tab says so in the same moment.
const WAKE_ONCE_MS = 1_000;

/**
 * Serves the tabs that connect to the SharedWorker in which it is called. Call it once, at the top of the worker's script,
 * so that no tab's connection is missed.
 *
 * @example
 * ```ts
 * // sluice-worker.ts, which a page opens with
 * //   shareTabs(() => new SharedWorker(new URL("./sluice-worker.ts", import.meta.url), { type: "module" }))
 * import { serveTabs } from "@sluice/client/tabs-server";
 *
 * serveTabs();
 * ```
 */
export function serveTabs(): void {
  const server = new TabsServer();
  const scope = globalThis as unknown as {
    addEventListener(type: "connect", listener: (event: { ports: readonly TabPort[] }) => void): void;
  };
  scope.addEventListener("connect", ({ ports: [port] }) => {
    if (port !== undefined) server.add(port);
  });
}

/** Pages of one browser, by the settings of their clients. */
export class TabsServer {
  readonly #groups = new Map<string, TabGroup>();
  #wokenMs = -Infinity;

  add(port: TabPort): void {
    let group: TabGroup | null = null;
    port.addEventListener("message", (event) => {
      const data = event.data as ToWorker;
      if (data.kind === "hello") {
        if (data.version !== TABS_VERSION) return;
        group = this.#groupOf(data.settings);
        group.add(port);
        port.postMessage({ kind: "welcome" });
      } else if (data.kind === "wake") this.#wake(data.isOnline);
      else group?.take(port, data);
    });
    // Chromium tells of a page that crashed; elsewhere its readings go on until their streams end.
    port.addEventListener("close", () => group?.remove(port));
    port.start();
  }

  #groupOf(settings: TabSettings): TabGroup {
    const key = JSON.stringify([
      settings.edgeUrl,
      String(settings.maxAttempts),
      settings.keepAliveMs,
      settings.hasHeaders,
    ]);
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, (group = new TabGroup(settings)));
    return group;
  }

  #wake(isOnline: boolean): void {
    if (Date.now() - this.#wokenMs < WAKE_ONCE_MS) return;
    this.#wokenMs = Date.now();
    // Connections listen for these events, of which pages are told and Chromium's workers aren't.
    const scope = globalThis as { dispatchEvent?: (event: Event) => boolean };
    scope.dispatchEvent?.(new Event(isOnline ? "online" : "visibilitychange"));
  }
}

/** Pages that share their readings. */
class TabGroup {
  readonly #host: ClientHost;
  readonly #ports = new Set<TabPort>();
  readonly #followers = new Map<TabPort, Map<number, TabFollower>>();
  /** Readings by stream and options. Of several, the first has read most. */
  readonly #readings = new Map<string, TabReading[]>();
  readonly #questions = new Map<number, (headers: readonly [string, string][] | null) => void>();
  #lastQuestion = 0;

  constructor({ edgeUrl, maxAttempts, keepAliveMs, hasHeaders }: TabSettings) {
    const fetch: typeof globalThis.fetch = (...request) => globalThis.fetch(...request);
    const ask = (wasRefused: boolean): Promise<[string, string][]> => this.#askForHeaders(wasRefused);
    const send = createSend(fetch, hasHeaders ? ask : undefined);
    this.#host = createHost({ edgeUrl, send, maxAttempts, keepAliveMs });
  }

  add(port: TabPort): void {
    this.#ports.add(port);
    this.#followers.set(port, new Map());
  }

  remove(port: TabPort): void {
    this.#leaveAll(port);
    this.#ports.delete(port);
  }

  take(port: TabPort, message: Exclude<ToWorker, { kind: "hello" | "wake" }>): void {
    const followers = this.#followers.get(port);
    switch (message.kind) {
      case "follow": {
        const { key, streamId, cursor, options } = message;
        const send = (told: ToPage): void => port.postMessage(told);
        const follower: TabFollower = {
          key,
          streamId,
          options,
          cursor,
          send,
          next: 0,
          untaken: 0,
          reading: null,
        };
        followers?.set(key, follower);
        this.#place(follower);
        break;
      }
      case "leave": {
        const follower = followers?.get(message.key);
        followers?.delete(message.key);
        follower?.reading?.leave(follower);
        break;
      }
      case "took": {
        const follower = followers?.get(message.key);
        if (follower === undefined) break;
        follower.untaken -= message.characters;
        follower.reading?.pump(follower);
        break;
      }
      case "headers":
        this.#questions.get(message.question)?.(message.headers);
        break;
      case "bye":
        this.#leaveAll(port);
    }
  }

  #leaveAll(port: TabPort): void {
    const followers = this.#followers.get(port);
    for (const follower of followers?.values() ?? []) follower.reading?.leave(follower);
    followers?.clear();
  }

  /** Has a reading that holds what the follower lacks serve it, or begins one at the follower's position. */
  #place(follower: TabFollower): void {
    const { streamId, options, cursor } = follower;
    const key = `${streamId} ${options.compact === true} ${options.wait ?? ""}`;
    const readings = this.#readings.get(key) ?? [];
    this.#readings.set(key, readings);
    let reading = readings.find((each) => each.serves(cursor));
    if (reading === undefined) {
      reading = new TabReading(this.#host, follower, {
        lost: (lost) => this.#place(lost),
        moved: (moved) => this.#unite(moved, readings),
        closed: (closed) => {
          readings.splice(readings.indexOf(closed), 1);
          if (readings.length === 0) this.#readings.delete(key);
        },
      });
      readings.push(reading);
    }
    reading.join(follower);
  }

  /** Ends a reading that has come to where an earlier one is. */
  #unite(reading: TabReading, readings: readonly TabReading[]): void {
    const earlier = readings[0];
    // One that is just beginning isn't among them yet.
    if (earlier === undefined || earlier === reading || !readings.includes(reading)) return;
    for (const follower of reading.followers) {
      if (!earlier.serves(follower.cursor)) continue;
      reading.leave(follower);
      earlier.join(follower);
    }
    if (reading.followers.length === 0) reading.close();
  }

  /** @throws Error no page has them */
  async #askForHeaders(wasRefused: boolean): Promise<[string, string][]> {
    // The page that came last is the least likely to be asleep.
    for (const port of [...this.#ports].toReversed()) {
      const question = ++this.#lastQuestion;
      const headers = await new Promise<readonly [string, string][] | null | undefined>((resolve) => {
        this.#questions.set(question, resolve);
        setTimeout(() => resolve(undefined), HEADERS_WITHIN_MS);
        port.postMessage({ kind: "headers", question, wasRefused });
      });
      this.#questions.delete(question);
      if (headers === null) throw new Error("The page's function for headers has failed");
      if (headers !== undefined) return [...headers];
    }
    throw new Error("No page answers for the headers of a request");
  }
}

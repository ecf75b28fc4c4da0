import { createClient, type Client } from "@sluice/client";
import { shareTabs } from "@sluice/client/tabs";
import { Store } from "../shell/store.ts";
import type { Reading } from "./reading.ts";
import { StreamReading } from "./stream-reading.ts";

/** Readings of a page, by stream. The tabs of a browser share their connection, which a SharedWorker holds. */
export class Readings {
  readonly #client: Client;
  readonly #followed = new Map<
    string,
    { readonly store: Store<Reading | null>; readonly reading: StreamReading }
  >();

  constructor(edgeUrl: string) {
    this.#client = createClient({ edgeUrl, share: shareTabs() });
  }

  /** Begins to read a stream, or joins the reading that has begun. The value is null until there is something to show. */
  follow(streamId: string): Store<Reading | null> {
    const followed = this.#followed.get(streamId);
    if (followed !== undefined) return followed.store;
    const store = new Store<Reading | null>(null);
    const reading = new StreamReading(this.#client, streamId, (read) => store.set(read));
    this.#followed.set(streamId, { store, reading });
    return store;
  }

  leave(streamId: string): void {
    this.#followed.get(streamId)?.reading.close();
    this.#followed.delete(streamId);
  }
}

import { Store } from "../shell/store.ts";

/** Stream in the page's address, so that an address that is passed on shows the same stream. Null: none yet. */
export const shownStream = new Store<string | null>(readAddress());

export function addressOf(streamId: string | null): string {
  return streamId === null ? "/chat/" : `/chat/?stream=${encodeURIComponent(streamId)}`;
}

export function showStream(streamId: string | null): void {
  if (streamId === shownStream.value) return;
  history.pushState(null, "", addressOf(streamId));
  shownStream.set(streamId);
}

addEventListener("popstate", () => shownStream.set(readAddress()));

function readAddress(): string | null {
  return new URLSearchParams(location.search).get("stream") || null;
}

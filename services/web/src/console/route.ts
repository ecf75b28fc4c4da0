import { Store } from "../shell/store.ts";

export const VIEWS = ["overview", "streams", "connections", "partitions", "rejected"] as const;
export type View = (typeof VIEWS)[number];

/** The view that the page's address names: `#/streams/abc?from=40`. */
export interface Route {
  readonly view: View;
  /** Stream to show in the view `streams`; null: the list. */
  readonly streamId: string | null;
  readonly parameters: URLSearchParams;
}

export const route = new Store<Route>(readRoute());

addEventListener("hashchange", () => route.set(readRoute()));

export function hrefOf(view: View, streamId?: string, parameters?: Record<string, string>): string {
  const path = streamId === undefined ? view : `${view}/${encodeURIComponent(streamId)}`;
  const query = new URLSearchParams(parameters).toString();
  return `#/${path}${query === "" ? "" : `?${query}`}`;
}

/** Changes the address's parameters without a step in the browser's history; an empty value removes one. */
export function setParameter(name: string, value: string): void {
  const { view, streamId, parameters } = route.value;
  const next = new URLSearchParams(parameters);
  if (value === "") next.delete(name);
  else next.set(name, value);
  history.replaceState(null, "", hrefOf(view, streamId ?? undefined, Object.fromEntries(next)));
  route.set({ view, streamId, parameters: next });
}

function readRoute(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name = "", id = ""] = path.split("/");
  const view = VIEWS.find((known) => known === name) ?? "overview";
  return {
    view,
    streamId: id === "" ? null : decodeURIComponent(id),
    parameters: new URLSearchParams(query),
  };
}

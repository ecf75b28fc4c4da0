/** What brings a waiting reader back early: the network is there again, or the user looks at the page. */
export type Wake = "online" | "visible";

/** Nothing happens where there is no page (Node, workers); timers alone do it there. @returns stops listening */
export function onWake(listener: (wake: Wake) => void): () => void {
  const page = globalThis as unknown as {
    addEventListener?: AddListener;
    removeEventListener?: AddListener;
    document?: { visibilityState: string; addEventListener: AddListener; removeEventListener: AddListener };
  };
  const { document } = page;
  const online = (): void => listener("online");
  const seen = (): void => {
    if (document?.visibilityState === "visible") listener("visible");
  };
  page.addEventListener?.("online", online);
  document?.addEventListener("visibilitychange", seen);
  return () => {
    page.removeEventListener?.("online", online);
    document?.removeEventListener("visibilitychange", seen);
  };
}

type AddListener = (type: string, listener: () => void) => void;

/** Browsers only say so when they are sure. */
export function isOffline(): boolean {
  return (globalThis as { navigator?: { onLine?: boolean } }).navigator?.onLine === false;
}

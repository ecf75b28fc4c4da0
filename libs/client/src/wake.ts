/** What brings a waiting reader back early: the network is there again, or the user looks at the page. */
export type Wake = "online" | "visible";

/** Of a page; none of it is there in Node or a worker, where timers alone do it. */
const page = globalThis as unknown as {
  addEventListener?: (type: string, listener: () => void) => void;
  removeEventListener?: (type: string, listener: () => void) => void;
  document?: { visibilityState: string };
  navigator?: { onLine?: boolean };
};

/** @returns stops listening */
export function onWake(listener: (wake: Wake) => void): () => void {
  const listeners = {
    online: () => listener("online"),
    visibilitychange: () => page.document?.visibilityState === "visible" && listener("visible"),
  };
  for (const [type, each] of Object.entries(listeners)) page.addEventListener?.(type, each);
  return () => {
    for (const [type, each] of Object.entries(listeners)) page.removeEventListener?.(type, each);
  };
}

/** Browsers only say so when they are sure. */
export function isOffline(): boolean {
  return page.navigator?.onLine === false;
}

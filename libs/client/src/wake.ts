/** Globals of a page. Node has none of them, so timers alone end a wait there. */
const page = globalThis as unknown as {
  addEventListener?: (type: string, listener: (event: { type: string }) => void) => void;
  removeEventListener?: (type: string, listener: (event: { type: string }) => void) => void;
  document?: { visibilityState: string };
  navigator?: { onLine?: boolean };
};

const TYPES = ["online", "visibilitychange"];

/**
 * Listens for what brings a waiting reader back early: the network is there again, or the user looks at the page.
 * @param listener `isOnline`: it is the network
 * @returns a function that stops listening
 */
export function onWake(listener: (isOnline: boolean) => void): () => void {
  const hear = ({ type }: { type: string }): void => {
    const isOnline = type === "online";
    if (isOnline || page.document?.visibilityState !== "hidden") listener(isOnline);
  };
  for (const type of TYPES) page.addEventListener?.(type, hear);
  return () => {
    for (const type of TYPES) page.removeEventListener?.(type, hear);
  };
}

/** Whether the browser is sure that there is no network. */
export function isOffline(): boolean {
  return page.navigator?.onLine === false;
}

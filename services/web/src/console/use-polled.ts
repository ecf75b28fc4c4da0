import { useEffect, useState } from "preact/hooks";
import { ControlError } from "./control.ts";

export interface Polled<T> {
  /** Result of the last load that succeeded. */
  readonly data: T | null;
  readonly problem: ControlError | null;
  readonly loadedMs: number;
}

/**
 * Loads again and again while the page is shown: one request at a time, the next one `everyMs` after the last answer.
 * @param key names what is loaded; data of another key is not shown
 */
export function usePolled<T>(key: string, everyMs: number, load: () => Promise<T>): Polled<T> {
  const [polled, setPolled] = useState<Polled<T> & { key: string }>({
    key,
    data: null,
    problem: null,
    loadedMs: 0,
  });
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (): void => {
      if (isOver) return;
      timer = setTimeout(() => void poll(), everyMs);
    };
    const poll = async (): Promise<void> => {
      if (!document.hidden) {
        try {
          const data = await load();
          if (!isOver) setPolled({ key, data, problem: null, loadedMs: Date.now() });
        } catch (error) {
          const problem = error instanceof ControlError ? error : new ControlError(String(error));
          if (!isOver)
            setPolled((last) => ({ ...last, data: last.key === key ? last.data : null, key, problem }));
        }
      }
      again();
    };
    const onShown = (): void => {
      if (document.hidden) return;
      clearTimeout(timer);
      void poll();
    };
    void poll();
    document.addEventListener("visibilitychange", onShown);
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onShown);
    };
  }, [key]);
  return polled.key === key ? polled : { data: null, problem: null, loadedMs: 0 };
}

import { useEffect, useState } from "preact/hooks";
import type { ReadingState } from "../reading/reading.ts";

const LOOKS: Record<ReadingState, { label: string; tone: string; isMoving?: true }> = {
  connecting: { label: "Connecting", tone: "", isMoving: true },
  live: { label: "Live", tone: "accent", isMoving: true },
  reconnecting: { label: "Reconnecting", tone: "warn", isMoving: true },
  completed: { label: "Complete", tone: "good" },
  stopped: { label: "Stopped", tone: "" },
  failed: { label: "Failed", tone: "bad" },
  deleted: { label: "Deleted", tone: "bad" },
  ended: { label: "Ended", tone: "warn" },
  missing: { label: "Not found", tone: "bad" },
  unreadable: { label: "Unavailable", tone: "bad" },
};

export function stateLabel(state: ReadingState): string {
  return LOOKS[state].label;
}

/** Shows the state of the reading. A screen reader is told when it changes. */
export function StatePill(props: { state: ReadingState }) {
  const isOnline = useOnline();
  const { label, tone, isMoving } = LOOKS[props.state];
  const isWaiting = !isOnline && (props.state === "connecting" || props.state === "reconnecting");
  return (
    <span
      class="state"
      role="status"
      data-state={props.state}
      data-tone={isWaiting ? "warn" : tone}
      data-moving={isMoving === true}
    >
      {isWaiting ? "Offline" : label}
    </span>
  );
}

function useOnline(): boolean {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = (): void => setOnline(navigator.onLine);
    addEventListener("online", update);
    addEventListener("offline", update);
    return () => {
      removeEventListener("online", update);
      removeEventListener("offline", update);
    };
  }, []);
  return isOnline;
}

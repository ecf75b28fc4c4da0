import type { StreamStatus } from "@sluice/core";
import type { ComponentChildren } from "preact";
import { formatTime } from "../shell/format.ts";

export function Empty(props: { children: ComponentChildren }) {
  return <p class="empty">{props.children}</p>;
}

const TONES: Record<StreamStatus, string> = {
  open: "accent",
  completed: "good",
  errored: "bad",
  cancelled: "",
  deleted: "",
};

export function StatusPill(props: { status: StreamStatus }) {
  return (
    <span class="state" data-tone={TONES[props.status]} data-moving={props.status === "open"}>
      {props.status}
    </span>
  );
}

export function Time(props: { ms: number; nowMs: number }) {
  return <time dateTime={new Date(props.ms).toISOString()}>{formatTime(props.ms, props.nowMs)}</time>;
}

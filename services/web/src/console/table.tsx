import type { StreamStatus } from "@sluice/core";
import { Fragment, type ComponentChildren, type RefObject } from "preact";
import { formatTime } from "../shell/format.ts";

export interface Column<Row> {
  readonly label: string;
  /** Explains the label to a pointer that rests on it. */
  readonly title?: string;
  /** Whether it is aligned at the end, as numbers are. */
  readonly isEnd?: boolean;
  /** Class of the column's cells. */
  readonly class?: string;
  readonly cell: (row: Row) => ComponentChildren;
}

export function Table<Row>(props: {
  /** Name of the table for screen readers. */
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string | number;
  /** Whether each row becomes a card on a phone. */
  hasCards?: boolean;
  /** Further class of the frame, in which the table scrolls. */
  frameClass?: string;
  frame?: RefObject<HTMLDivElement | null>;
  /** Value of a row's `data-type`. */
  typeOf?: (row: Row) => string;
  /** Content below a row, over all columns; null: none. */
  below?: (row: Row) => ComponentChildren;
}) {
  const { label, columns, rows, keyOf, hasCards = false, frameClass = "", typeOf, below } = props;
  return (
    <div
      class={`table-frame ${frameClass}`}
      {...(props.frame !== undefined && { ref: props.frame })}
      tabIndex={0}
      role="group"
      aria-label={label}
    >
      <table class={hasCards ? "table number cards" : "table number"}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.label}
                scope="col"
                class={column.isEnd === true ? "end" : ""}
                {...(column.title !== undefined && { title: column.title })}
              >
                {column.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const inside = below?.(row) ?? null;
            return (
              <Fragment key={keyOf(row)}>
                <tr {...(typeOf !== undefined && { "data-type": typeOf(row) })}>
                  {columns.map((column) => (
                    <td
                      key={column.label}
                      class={`${column.isEnd === true ? "end" : ""} ${column.class ?? ""}`.trim()}
                      {...(column.isEnd === true && { "data-label": column.label })}
                    >
                      {column.cell(row)}
                    </td>
                  ))}
                </tr>
                {inside !== null && (
                  <tr class="whole">
                    <td colSpan={columns.length}>{inside}</td>
                  </tr>
                )}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

export function Empty(props: { children: ComponentChildren }) {
  return <p class="empty">{props.children}</p>;
}

/** Says why a view shows old data, or none. */
export function Problem(props: { problem: Error | null }) {
  if (props.problem === null) return null;
  return (
    <p class="notice" role="alert">
      {props.problem.message}
    </p>
  );
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

import type { Chunk } from "@sluice/core";
import { useEffect, useRef, useState } from "preact/hooks";
import { formatBytes, formatCount, formatMs } from "../shell/format.ts";
import { loadHistory, PAGE_CHUNKS } from "./history-page.ts";
import { Empty, Problem, Table, type Column } from "./table.tsx";
import { TimeStrip } from "./time-strip.tsx";
import { usePolled } from "./use-polled.ts";

const REFRESH_MS = 1_000;

export function TimelineView(props: {
  streamId: string;
  edgeUrl: string;
  head: number;
  isOpen: boolean;
  createdMs: number;
  /** First sequence shown; null: the latest chunks, as they arrive. */
  from: number | null;
  onFrom: (from: number | null) => void;
}) {
  const { streamId, edgeUrl, head, isOpen, createdMs, from, onFrom } = props;
  const { data, problem } = usePolled(`${streamId} ${from}`, REFRESH_MS, () =>
    loadHistory(edgeUrl, streamId, from),
  );
  const chunks = data?.chunks ?? [];
  const [first, last] = [chunks[0]?.sequence ?? 0, chunks.at(-1)?.sequence ?? 0];
  return (
    <section class="timeline" aria-labelledby="timeline-title">
      <div class="view-head">
        <h2 id="timeline-title">
          Timeline
          <small class="faint number">
            {chunks.length === 0
              ? ""
              : `${formatCount(first)} to ${formatCount(last)} of ${formatCount(head)}`}
            {from === null && isOpen ? ", following" : ""}
          </small>
        </h2>
        <div class="actions" role="group" aria-label="Pages of the timeline">
          <button type="button" class="button" disabled={first <= 1} onClick={() => onFrom(1)}>
            First
          </button>
          <button
            type="button"
            class="button"
            disabled={first <= 1}
            onClick={() => onFrom(Math.max(1, first - PAGE_CHUNKS))}
          >
            Earlier
          </button>
          <button
            type="button"
            class="button"
            disabled={last === 0 || last >= head}
            onClick={() => onFrom(last + 1)}
          >
            Later
          </button>
          <button type="button" class="button" aria-pressed={from === null} onClick={() => onFrom(null)}>
            Latest
          </button>
        </div>
      </div>
      <Problem problem={problem} />
      {data?.gaps?.map((gap) => (
        <p key={gap.from ?? gap.reason} class="notice">
          Chunks {formatCount(gap.from ?? 0)} to {formatCount(gap.to ?? 0)} are no longer available (
          {gap.reason}).
        </p>
      ))}
      {data !== null && chunks.length === 0 && <Empty>No chunks in this range.</Empty>}
      {chunks.length > 0 && (
        <>
          <TimeStrip chunks={chunks} onChoose={onFrom} />
          <ChunkTable
            chunks={chunks}
            createdMs={createdMs}
            isFollowing={from === null && isOpen}
            onChoose={onFrom}
          />
        </>
      )}
    </section>
  );
}

function ChunkTable(props: {
  chunks: readonly Chunk[];
  createdMs: number;
  isFollowing: boolean;
  onChoose: (sequence: number) => void;
}) {
  const { chunks, createdMs, isFollowing, onChoose } = props;
  const [opened, setOpened] = useState<number | null>(null);
  const frame = useRef<HTMLDivElement>(null);
  const last = chunks.at(-1)?.sequence;
  useEffect(() => {
    if (isFollowing && frame.current !== null) frame.current.scrollTop = frame.current.scrollHeight;
  }, [last, isFollowing]);
  const columns: Column<Chunk>[] = [
    {
      label: "#",
      isEnd: true,
      cell: ({ sequence }) => (
        <button type="button" class="link" title="Start here" onClick={() => onChoose(sequence)}>
          {formatCount(sequence)}
        </button>
      ),
    },
    { label: "Elapsed", isEnd: true, cell: ({ timestamp }) => formatOffset(timestamp - createdMs) },
    {
      label: "Interval",
      isEnd: true,
      class: "faint",
      cell: (chunk) => {
        const previous = chunks[chunks.indexOf(chunk) - 1];
        return previous === undefined ? "" : formatMs(Math.max(0, chunk.timestamp - previous.timestamp));
      },
    },
    {
      label: "Type",
      cell: ({ chunk_type: { type } }) => (
        <span class="type" data-type={type}>
          {type}
        </span>
      ),
    },
    { label: "Size", isEnd: true, cell: (chunk) => formatBytes(JSON.stringify(chunk).length) },
    {
      label: "Content",
      class: "content",
      cell: (chunk) => (
        <button
          type="button"
          class="link mono"
          aria-expanded={opened === chunk.sequence}
          onClick={() => setOpened(opened === chunk.sequence ? null : chunk.sequence)}
        >
          {previewOf(chunk)}
        </button>
      ),
    },
  ];
  return (
    <Table
      label="Chunks"
      columns={columns}
      rows={chunks}
      keyOf={({ sequence }) => sequence}
      frameClass="chunks"
      frame={frame}
      typeOf={({ chunk_type: { type } }) => type}
      below={(chunk) =>
        opened === chunk.sequence ? (
          <pre tabIndex={0} aria-label={`Chunk ${chunk.sequence}`}>
            {JSON.stringify(chunk, null, 2)}
          </pre>
        ) : null
      }
    />
  );
}

/** Formats a time since the stream was created, to the millisecond. */
function formatOffset(ms: number): string {
  return `+${(Math.max(0, ms) / 1000).toFixed(3)} s`;
}

const PREVIEW_CHARACTERS = 160;

function previewOf({ chunk_type: type }: Chunk): string {
  const { type: _type, ...rest } = type;
  const text = type.type === "Text" ? JSON.stringify(type.content) : JSON.stringify(rest);
  return text.length <= PREVIEW_CHARACTERS ? text : `${text.slice(0, PREVIEW_CHARACTERS)}…`;
}

import type { Chunk } from "@sluice/core";
import { useEffect, useRef, useState } from "preact/hooks";
import { formatBytes, formatCount, formatMs } from "../shell/format.ts";
import { loadHistory, PAGE_CHUNKS } from "./history-page.ts";
import { Empty } from "./table.tsx";
import { TimeStrip } from "./time-strip.tsx";
import { usePolled } from "./use-polled.ts";

const REFRESH_MS = 1_000;

export function TimelineView(props: {
  streamId: string;
  edgeUrl: string;
  head: number;
  isOpen: boolean;
  createdMs: number;
  /** Null: the latest chunks, as they come. */
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
      {problem !== null && (
        <p class="notice" role="alert">
          {problem.message}
        </p>
      )}
      {data?.gaps?.map((gap) => (
        <p key={gap.from ?? gap.reason} class="notice">
          Chunks {formatCount(gap.from ?? 0)} to {formatCount(gap.to ?? 0)} can't be had any more (
          {gap.reason}).
        </p>
      ))}
      {data !== null && chunks.length === 0 && <Empty>There are no chunks here.</Empty>}
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
  return (
    <div class="table-frame chunks" ref={frame} tabIndex={0} role="group" aria-label="Chunks">
      <table class="table number">
        <thead>
          <tr>
            <th scope="col" class="end">
              #
            </th>
            <th scope="col" class="end">
              At
            </th>
            <th scope="col" class="end">
              After
            </th>
            <th scope="col">Type</th>
            <th scope="col" class="end">
              Size
            </th>
            <th scope="col">Content</th>
          </tr>
        </thead>
        <tbody>
          {chunks.map((chunk, index) => (
            <ChunkRow
              key={chunk.sequence}
              chunk={chunk}
              createdMs={createdMs}
              previousMs={chunks[index - 1]?.timestamp ?? null}
              isOpen={opened === chunk.sequence}
              onToggle={() => setOpened(opened === chunk.sequence ? null : chunk.sequence)}
              onChoose={() => onChoose(chunk.sequence)}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ChunkRow(props: {
  chunk: Chunk;
  createdMs: number;
  previousMs: number | null;
  isOpen: boolean;
  onToggle: () => void;
  onChoose: () => void;
}) {
  const { chunk, createdMs, previousMs, isOpen, onToggle, onChoose } = props;
  const json = JSON.stringify(chunk);
  return (
    <>
      <tr data-type={chunk.chunk_type.type}>
        <td class="end">
          <button type="button" class="link" title="Begin here" onClick={onChoose}>
            {formatCount(chunk.sequence)}
          </button>
        </td>
        <td class="end">{formatOffset(chunk.timestamp - createdMs)}</td>
        <td class="end faint">
          {previousMs === null ? "" : formatMs(Math.max(0, chunk.timestamp - previousMs))}
        </td>
        <td>
          <span class="type" data-type={chunk.chunk_type.type}>
            {chunk.chunk_type.type}
          </span>
        </td>
        <td class="end">{formatBytes(json.length)}</td>
        <td class="content">
          <button type="button" class="link mono" aria-expanded={isOpen} onClick={onToggle}>
            {previewOf(chunk)}
          </button>
        </td>
      </tr>
      {isOpen && (
        <tr class="whole">
          <td colSpan={6}>
            <pre tabIndex={0} aria-label={`Chunk ${chunk.sequence}`}>
              {JSON.stringify(chunk, null, 2)}
            </pre>
          </td>
        </tr>
      )}
    </>
  );
}

/** Since the stream began, to the millisecond. */
function formatOffset(ms: number): string {
  return `+${(Math.max(0, ms) / 1000).toFixed(3)} s`;
}

const PREVIEW_CHARACTERS = 160;

function previewOf({ chunk_type: type }: Chunk): string {
  const { type: _type, ...rest } = type;
  const text = type.type === "Text" ? JSON.stringify(type.content) : JSON.stringify(rest);
  return text.length <= PREVIEW_CHARACTERS ? text : `${text.slice(0, PREVIEW_CHARACTERS)}…`;
}

import { useState } from "preact/hooks";
import { formatAgo, formatBytes, formatCount, formatDuration } from "../shell/format.ts";
import { useStore } from "../shell/store.ts";
import { countReaders, getJson, type StreamRow } from "./control.ts";
import { ReplayPanel } from "./replay-panel.tsx";
import { hrefOf, route, setParameter } from "./route.ts";
import { Problem, StatusPill, Time } from "./table.tsx";
import { TimelineView } from "./timeline-view.tsx";
import { usePolled } from "./use-polled.ts";

const REFRESH_MS = 1_500;

export function StreamView(props: { streamId: string; edgeUrl: string }) {
  const { streamId, edgeUrl } = props;
  const { parameters } = useStore(route);
  const { data, problem, loadedMs } = usePolled(streamId, REFRESH_MS, async () => {
    const path = `/streams/${encodeURIComponent(streamId)}`;
    const [row, readers] = await Promise.all([getJson<StreamRow>(path), countReaders([streamId])]);
    return { row, readers: readers?.[streamId] ?? null };
  });
  const from = Number(parameters.get("from")) || null;
  return (
    <>
      <p class="trail">
        <a href={hrefOf("streams")}>Streams</a>
      </p>
      <div class="view-head">
        <h1 class="mono">{streamId}</h1>
        {data !== null && <StatusPill status={data.row.status} />}
        <div class="actions">
          <a class="button" href={`/chat/?stream=${encodeURIComponent(streamId)}`}>
            Open in chat
          </a>
          {data?.row.status === "open" && (
            <StopButton streamId={streamId} isAsked={typeof data.row.cancel_requested_ms === "number"} />
          )}
        </div>
      </div>
      <Problem problem={problem} />
      {data !== null && (
        <>
          <Facts row={data.row} readers={data.readers} nowMs={loadedMs} />
          <ReplayPanel
            streamId={streamId}
            edgeUrl={edgeUrl}
            head={data.row.head_sequence}
            from={from ?? 1}
            onFrom={(sequence) => setParameter("from", String(sequence))}
          />
          <TimelineView
            streamId={streamId}
            edgeUrl={edgeUrl}
            head={data.row.head_sequence}
            isOpen={data.row.status === "open"}
            createdMs={data.row.created_ms}
            from={from}
            onFrom={(sequence) => setParameter("from", sequence === null ? "" : String(sequence))}
          />
        </>
      )}
    </>
  );
}

function Facts(props: { row: StreamRow; readers: number | null; nowMs: number }) {
  const { row, readers, nowMs } = props;
  const lastedMs = (row.ended_ms ?? nowMs) - row.created_ms;
  return (
    <dl class="facts-row number">
      <Fact label="Chunks" value={formatCount(row.chunk_count)} />
      <Fact label="Head" value={formatCount(row.head_sequence)} />
      <Fact label="Size" value={formatBytes(row.byte_count)} />
      <Fact label="Readers" value={readers === null ? "–" : formatCount(readers)} />
      <div>
        <dt>Started</dt>
        <dd>
          <Time ms={row.created_ms} nowMs={nowMs} />
        </dd>
      </div>
      <Fact label={row.ended_ms === null ? "Open for" : "Duration"} value={formatDuration(lastedMs)} />
      <Fact label="Updated" value={formatAgo(row.updated_ms, nowMs)} />
    </dl>
  );
}

function Fact(props: { label: string; value: string }) {
  return (
    <div>
      <dt>{props.label}</dt>
      <dd>{props.value}</dd>
    </div>
  );
}

function StopButton(props: { streamId: string; isAsked: boolean }) {
  const [problem, setProblem] = useState("");
  const stop = async (): Promise<void> => {
    const response = await fetch(`/streams/${encodeURIComponent(props.streamId)}/cancel`, {
      method: "POST",
      headers: { "content-type": "application/json" },
    });
    setProblem(response.ok ? "" : `Could not stop the stream (HTTP ${response.status}).`);
  };
  return (
    <>
      <button type="button" class="button" disabled={props.isAsked} onClick={() => void stop()}>
        {props.isAsked ? "Stopping…" : "Stop"}
      </button>
      <span role="status">{problem}</span>
    </>
  );
}

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatAgo, formatBytes, formatCount, formatShort } from "../shell/format.ts";
import { useStore } from "../shell/store.ts";
import {
  countReaders,
  getJson,
  STATUSES,
  type ConnectionList,
  type StreamList,
  type StreamRow,
} from "./control.ts";
import { hrefOf, route, setParameter } from "./route.ts";
import { StreamRates } from "./stream-rates.ts";
import { Empty, Problem, StatusPill, Table, type Column } from "./table.tsx";
import { usePolled } from "./use-polled.ts";

const REFRESH_MS = 1_500;
const PAGE = 50;
/** Size of the gateway's largest page. The list is loaded as one page. */
const MOST = 200;
const MAX_READER_QUERIES = 100;
const MAX_CONNECTIONS = "1000";

interface Loaded {
  readonly list: StreamList;
  readonly readers: Readonly<Record<string, number>>;
  /** Chunks that the slowest reader has yet to receive, by stream. */
  readonly behind: ReadonlyMap<string, number>;
}

export function StreamsView() {
  const { parameters } = useStore(route);
  const prefix = parameters.get("prefix") ?? "";
  const status = parameters.get("status") ?? "";
  const [limit, setLimit] = useState(PAGE);
  const rates = useMemo(() => new StreamRates(), []);
  const search = useSearchKey();
  const { data, problem, loadedMs } = usePolled(`${prefix} ${status} ${limit}`, REFRESH_MS, async () => {
    const loaded = await load(prefix, status, limit);
    rates.add(loaded.list.streams, Date.now());
    return loaded;
  });
  return (
    <>
      <div class="view-head">
        <h1>Streams</h1>
        <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
          <label class="visually-hidden" for="prefix">
            Prefix of the stream id
          </label>
          <input
            id="prefix"
            ref={search}
            class="field mono"
            type="search"
            placeholder="Id prefix…"
            autocomplete="off"
            spellcheck={false}
            value={prefix}
            onInput={(event) => setParameter("prefix", idPartOf(event.currentTarget.value))}
          />
          <fieldset class="segments">
            <legend class="visually-hidden">Status</legend>
            {["", ...STATUSES].map((value) => (
              <label key={value}>
                <input
                  type="radio"
                  name="status"
                  value={value}
                  checked={status === value}
                  onChange={() => setParameter("status", value)}
                />
                <span>{value === "" ? "all" : value}</span>
              </label>
            ))}
          </fieldset>
        </form>
      </div>
      <Problem problem={problem} />
      {data !== null && data.list.streams.length === 0 && (
        <Empty>{prefix === "" && status === "" ? "There are no streams yet." : "No streams match."}</Empty>
      )}
      {data !== null && data.list.streams.length > 0 && (
        <StreamTable data={data} rates={rates} nowMs={loadedMs} />
      )}
      {data !== null && data.list.next_cursor !== null && limit < MOST && (
        <button type="button" class="button more" onClick={() => setLimit(Math.min(MOST, limit + PAGE))}>
          Show more
        </button>
      )}
      {data !== null && data.list.next_cursor !== null && limit >= MOST && (
        <Empty>Showing the {MOST} most recently updated streams. Narrow the search to see others.</Empty>
      )}
    </>
  );
}

function StreamTable(props: { data: Loaded; rates: StreamRates; nowMs: number }) {
  const { data, rates, nowMs } = props;
  const columns: Column<StreamRow>[] = [
    {
      label: "Stream",
      class: "wide most",
      cell: (row) => (
        <a class="mono id" href={hrefOf("streams", row.stream_id)}>
          {row.stream_id}
        </a>
      ),
    },
    {
      label: "Status",
      class: "rest",
      cell: (row) => (
        <>
          <StatusPill status={row.status} />
          {row.status === "open" && row.cancel_requested_ms !== null && (
            <small class="faint"> stopping</small>
          )}
        </>
      ),
    },
    { label: "Chunks", isEnd: true, cell: (row) => formatCount(row.chunk_count) },
    {
      label: "Rate",
      isEnd: true,
      cell: (row) => {
        const rate = rates.of(row.stream_id);
        return row.status === "open" && rate !== null ? `${formatShort(rate)}/s` : <None />;
      },
    },
    {
      label: "Readers",
      isEnd: true,
      cell: (row) => {
        const readers = data.readers[row.stream_id] ?? 0;
        return readers > 0 ? formatCount(readers) : <None />;
      },
    },
    {
      label: "Lag",
      title: "Chunks that the slowest reader has yet to receive",
      isEnd: true,
      cell: (row) => {
        const behind = data.behind.get(row.stream_id);
        return behind === undefined ? <None /> : formatCount(behind);
      },
    },
    { label: "Size", isEnd: true, cell: (row) => formatBytes(row.byte_count) },
    { label: "Updated", isEnd: true, cell: (row) => formatAgo(row.updated_ms, nowMs) },
  ];
  return (
    <Table
      label="Streams"
      columns={columns}
      rows={data.list.streams}
      keyOf={(row) => row.stream_id}
      hasCards
    />
  );
}

function None() {
  return (
    <span class="faint">
      <span aria-hidden="true">–</span>
      <span class="visually-hidden">none</span>
    </span>
  );
}

/** Keeps the characters that an id may have. */
function idPartOf(text: string): string {
  return text.replace(/[^\w-]/g, "").slice(0, 128);
}

async function load(prefix: string, status: string, limit: number): Promise<Loaded> {
  const list = await getJson<StreamList>("/streams", { prefix, status, limit: String(limit) });
  const ids = list.streams.slice(0, MAX_READER_QUERIES).map((row) => row.stream_id);
  if (ids.length === 0) return { list, readers: {}, behind: new Map() };
  const [counted, { connections }] = await Promise.all([
    countReaders(ids),
    getJson<ConnectionList>("/control/connections", { limit: MAX_CONNECTIONS }),
  ]);
  return { list, readers: counted ?? {}, behind: slowestReaders(list.streams, connections) };
}

function slowestReaders(
  streams: readonly StreamRow[],
  connections: ConnectionList["connections"],
): Map<string, number> {
  const heads = new Map(streams.map((row) => [row.stream_id, row.head_sequence]));
  const behind = new Map<string, number>();
  for (const { streams: read } of connections) {
    for (const { stream_id: streamId, last_sequence: last } of read) {
      const head = heads.get(streamId);
      // Connections are loaded a little later than the list, so a reader may be ahead of it.
      if (head !== undefined) behind.set(streamId, Math.max(behind.get(streamId) ?? 0, head - last, 0));
    }
  }
  return behind;
}

/** Has the key "/" lead to the search, as in many consoles. */
function useSearchKey() {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isTyping =
        event.target instanceof HTMLElement && /^(input|textarea)$/i.test(event.target.tagName);
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return field;
}

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
import { Empty, StatusPill } from "./table.tsx";
import { usePolled } from "./use-polled.ts";

const REFRESH_MS = 1_500;
const PAGE = 50;
/** The gateway's largest page; the list is refreshed as one. */
const MOST = 200;
const MAX_READER_QUERIES = 100;
const MAX_CONNECTIONS = "1000";

interface Loaded {
  readonly list: StreamList;
  readonly readers: Readonly<Record<string, number>>;
  /** Chunks that the slowest reader lacks, by stream. */
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
            Stream id begins with
          </label>
          <input
            id="prefix"
            ref={search}
            class="field mono"
            type="search"
            placeholder="Id begins with…"
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
      {problem !== null && (
        <p class="notice" role="alert">
          {problem.message}
        </p>
      )}
      {data !== null && data.list.streams.length === 0 && (
        <Empty>
          {prefix === "" && status === "" ? "There are no streams yet." : "No stream is like that."}
        </Empty>
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
        <Empty>These are the {MOST} that changed last. Narrow the search to see others.</Empty>
      )}
    </>
  );
}

function StreamTable(props: { data: Loaded; rates: StreamRates; nowMs: number }) {
  const { data, rates, nowMs } = props;
  return (
    <div class="table-frame" tabIndex={0} role="group" aria-label="Streams">
      <table class="table number cards">
        <thead>
          <tr>
            <th scope="col">Stream</th>
            <th scope="col">Status</th>
            <th scope="col" class="end">
              Chunks
            </th>
            <th scope="col" class="end">
              Rate
            </th>
            <th scope="col" class="end">
              Readers
            </th>
            <th scope="col" class="end" title="Chunks that the slowest reader lacks">
              Lag
            </th>
            <th scope="col" class="end">
              Size
            </th>
            <th scope="col" class="end">
              Changed
            </th>
          </tr>
        </thead>
        <tbody>
          {data.list.streams.map((row) => (
            <StreamTableRow
              key={row.stream_id}
              row={row}
              data={data}
              rate={rates.of(row.stream_id)}
              nowMs={nowMs}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function StreamTableRow(props: { row: StreamRow; data: Loaded; rate: number | null; nowMs: number }) {
  const { row, data, rate, nowMs } = props;
  const readers = data.readers[row.stream_id] ?? 0;
  const behind = data.behind.get(row.stream_id);
  return (
    <tr>
      <td class="wide most">
        <a class="mono id" href={hrefOf("streams", row.stream_id)}>
          {row.stream_id}
        </a>
      </td>
      <td class="rest">
        <StatusPill status={row.status} />
        {row.status === "open" && row.cancel_requested_ms !== null && <small class="faint"> stopping</small>}
      </td>
      <td class="end" data-label="Chunks">
        {formatCount(row.chunk_count)}
      </td>
      <td class="end" data-label="Rate">
        {row.status === "open" && rate !== null ? `${formatShort(rate)}/s` : <None />}
      </td>
      <td class="end" data-label="Readers">
        {readers > 0 ? formatCount(readers) : <None />}
      </td>
      <td class="end" data-label="Lag">
        {behind === undefined ? <None /> : formatCount(behind)}
      </td>
      <td class="end" data-label="Size">
        {formatBytes(row.byte_count)}
      </td>
      <td class="end" data-label="Changed">
        {formatAgo(row.updated_ms, nowMs)}
      </td>
    </tr>
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

/** What of it can stand in an id. */
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
      // Asked a little later, a reader may be ahead of the list.
      if (head !== undefined) behind.set(streamId, Math.max(behind.get(streamId) ?? 0, head - last, 0));
    }
  }
  return behind;
}

/** "/" leads to the search, as in many consoles. */
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

import { useState } from "preact/hooks";
import { formatAgo, formatCount } from "../shell/format.ts";
import { getJson, type ConnectionList, type ConnectionRow, type ServiceRow } from "./control.ts";
import { hrefOf } from "./route.ts";
import { Empty, Problem, Table, type Column } from "./table.tsx";
import { usePolled } from "./use-polled.ts";

const REFRESH_MS = 2_000;
const PAGE = 100;
const MOST = 1_000;
const SHOWN_STREAMS = 3;

export function ConnectionsView(props: { services: readonly ServiceRow[] }) {
  const [limit, setLimit] = useState(PAGE);
  const { data, problem, loadedMs } = usePolled(`connections ${limit}`, REFRESH_MS, () =>
    getJson<ConnectionList>("/control/connections", { limit: String(limit) }),
  );
  const pods = podsOf(props.services, data?.connections ?? []);
  const most = Math.max(1, ...pods.map((pod) => pod.count));
  return (
    <>
      <h1>Connections</h1>
      <Problem problem={problem} />
      <ul role="list" class="bars number" aria-label="Connections by pod">
        {pods.map((pod) => (
          <li key={pod.id}>
            <span class="mono">{pod.id}</span>
            <div class="meter" aria-hidden="true">
              <div style={{ width: `${(100 * pod.count) / most}%` }} />
            </div>
            <strong>{formatCount(pod.count)}</strong>
          </li>
        ))}
      </ul>
      {data !== null && data.connections.length === 0 && <Empty>No readers are connected.</Empty>}
      {pods
        .filter((pod) => pod.connections.length > 0)
        .map((pod) => (
          <section key={pod.id} aria-label={`Pod ${pod.id}`}>
            <h2>
              Pod <span class="mono">{pod.id}</span>
            </h2>
            <ConnectionTable connections={pod.connections} nowMs={loadedMs} />
          </section>
        ))}
      {data !== null && data.next_after !== null && limit < MOST && (
        <button type="button" class="button more" onClick={() => setLimit(Math.min(MOST, limit * 2))}>
          Show more
        </button>
      )}
      {data !== null && data.next_after !== null && limit >= MOST && (
        <Empty>Showing the first {formatCount(MOST)} connections; the bars above count all of them.</Empty>
      )}
    </>
  );
}

interface Pod {
  readonly id: string;
  readonly count: number;
  readonly connections: readonly ConnectionRow[];
}

/** Lists the pods that report, and those that only have connections in the list. */
function podsOf(services: readonly ServiceRow[], connections: readonly ConnectionRow[]): Pod[] {
  const byPod = Map.groupBy(connections, ({ connection_id: id }) => id.split(".")[0] ?? "");
  const counts = new Map(
    services
      .filter(({ service }) => service === "edge")
      .map((row) => [row.instance, row.figures["connections"] ?? 0]),
  );
  return [...new Set([...counts.keys(), ...byPod.keys()])].sort().map((id) => {
    const listed = byPod.get(id) ?? [];
    return { id, count: Math.max(counts.get(id) ?? 0, listed.length), connections: listed };
  });
}

function ConnectionTable(props: { connections: readonly ConnectionRow[]; nowMs: number }) {
  const { connections, nowMs } = props;
  const columns: Column<ConnectionRow>[] = [
    {
      label: "Client",
      class: "wide",
      cell: (row) => (
        <>
          {row.client_address} <span class="faint">{agentOf(row.user_agent)}</span>
        </>
      ),
    },
    { label: "Streams", class: "wide", cell: (row) => <Followed streams={row.streams} /> },
    { label: "Connected", isEnd: true, cell: (row) => formatAgo(row.connected_at, nowMs) },
    { label: "Last sent", isEnd: true, cell: (row) => formatAgo(row.last_seen, nowMs) },
  ];
  return (
    <Table
      label="Connections"
      columns={columns}
      rows={connections}
      keyOf={(row) => row.connection_id}
      hasCards
    />
  );
}

function Followed(props: { streams: ConnectionRow["streams"] }) {
  const { streams } = props;
  return (
    <>
      {streams.length === 0 && <span class="faint">none</span>}
      {streams.slice(0, SHOWN_STREAMS).map((stream) => (
        <div key={stream.stream_id} class="followed">
          <a class="mono id" href={hrefOf("streams", stream.stream_id)}>
            {stream.stream_id}
          </a>
          <span class="faint">
            at {formatCount(stream.last_sequence)}, {stream.phase}
          </span>
        </div>
      ))}
      {streams.length > SHOWN_STREAMS && <span class="faint">and {streams.length - SHOWN_STREAMS} more</span>}
    </>
  );
}

/** Shortens a user agent to its product: `Chrome/130`, `curl/8.5`. The last one named tells most. */
function agentOf(userAgent: string): string {
  const products = userAgent.match(/[\w-]+\/[\d.]+/g) ?? [];
  const known = products.find((product) =>
    /^(Firefox|Edg|OPR|Chrome|HeadlessChrome|curl|node|Sluice)/i.test(product),
  );
  if (userAgent === "") return "unnamed";
  return (known ?? products.at(-1) ?? userAgent).replace(/(\/\d+)\..*$/, "$1");
}

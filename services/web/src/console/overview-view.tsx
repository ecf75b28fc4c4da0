import { formatBytes, formatDuration, formatMs, formatShort } from "../shell/format.ts";
import { Chart, type Series } from "./chart.tsx";
import { sumOf, type Sample } from "./samples.ts";
import type { ServiceRow } from "./control.ts";
import { Empty, Table, type Column } from "./table.tsx";

const CHARTS: readonly {
  readonly title: string;
  readonly format: (value: number) => string;
  readonly series: readonly (Pick<Series, "name" | "color"> & { readonly figure: keyof Sample })[];
}[] = [
  {
    title: "Chunks per second",
    format: formatShort,
    series: [
      { name: "in", color: 1, figure: "appliedRate" },
      { name: "out", color: 3, figure: "sentRate" },
    ],
  },
  {
    title: "Lag from log to reader",
    format: formatMs,
    series: [
      { name: "p99", color: 2, figure: "lagP99Ms" },
      { name: "p50", color: 1, figure: "lagP50Ms" },
    ],
  },
  {
    title: "Connections",
    format: formatShort,
    series: [
      { name: "connections", color: 1, figure: "connections" },
      { name: "streams", color: 3, figure: "subscribers" },
    ],
  },
];

export function OverviewView(props: {
  services: readonly ServiceRow[];
  samples: readonly Sample[];
  nowMs: number;
}) {
  const { services, samples, nowMs } = props;
  const last = samples.at(-1);
  return (
    <>
      <h1>Overview</h1>
      <dl class="tiles number">
        <Tile label="Chunks in" value={rateOf(last?.appliedRate)} unit="/s" />
        <Tile label="Chunks out" value={rateOf(last?.sentRate)} unit="/s" />
        <Tile label="Connections" value={last === undefined ? "–" : formatShort(last.connections)} />
        <Tile label="Lag, p99" value={lagOf(last?.lagP99Ms)} />
        <Tile label="Reconnects" value={formatShort(sumOf(services, "edge", "reconnects"))} />
        <Tile label="Gaps reported" value={formatShort(sumOf(services, "edge", "gaps"))} />
      </dl>
      <div class="charts">
        {CHARTS.map(({ title, format, series }) => (
          <Chart
            key={title}
            title={title}
            nowMs={nowMs}
            format={format}
            series={series.map(({ name, color, figure }) => ({
              name,
              color,
              points: samples.map((sample) => ({ timeMs: sample.timeMs, value: sample[figure] })),
            }))}
          />
        ))}
      </div>
      <h2>Services</h2>
      {services.length === 0 ? (
        <Empty>No services have reported yet.</Empty>
      ) : (
        <ServiceTable services={services} nowMs={nowMs} />
      )}
    </>
  );
}

function rateOf(rate: number | null | undefined): string {
  return rate === null || rate === undefined ? "–" : formatShort(rate);
}

function lagOf(lagMs: number | null | undefined): string {
  return lagMs === null || lagMs === undefined ? "–" : formatMs(lagMs);
}

function Tile(props: { label: string; value: string; unit?: string }) {
  return (
    <div>
      <dt>{props.label}</dt>
      <dd>
        {props.value}
        {props.unit !== undefined && <small>{props.unit}</small>}
      </dd>
    </div>
  );
}

/** Services, in the order in which a chunk meets them. */
const ORDER: readonly ServiceRow["service"][] = ["gateway", "worker", "ingest", "edge"];

function ServiceTable(props: { services: readonly ServiceRow[]; nowMs: number }) {
  const rows = [...props.services].sort(
    (left, right) =>
      ORDER.indexOf(left.service) - ORDER.indexOf(right.service) ||
      left.instance.localeCompare(right.instance),
  );
  const columns: Column<ServiceRow>[] = [
    { label: "Service", cell: (row) => row.service },
    { label: "Instance", class: "mono", cell: (row) => row.instance },
    { label: "Activity", cell: workOf },
    { label: "Memory", isEnd: true, cell: (row) => formatBytes(row.figures["rss_bytes"] ?? 0) },
    {
      label: "Event-loop delay p99",
      isEnd: true,
      cell: (row) => formatMs(row.figures["event_loop_delay_p99_ms"] ?? 0),
    },
    { label: "Uptime", isEnd: true, cell: (row) => formatDuration(props.nowMs - row.started_ms) },
  ];
  return <Table label="Services" columns={columns} rows={rows} keyOf={(row) => row.instance} />;
}

/** Describes in a few words what a service is busy with. */
function workOf({ service, figures, partitions }: ServiceRow): string {
  const figure = (name: string): string => formatShort(figures[name] ?? 0);
  if (service === "ingest")
    return `${partitions.length} partitions, ${figure("chunks_applied")} chunks applied`;
  if (service === "edge") return `${figure("connections")} connections, ${figure("chunks_sent")} chunks sent`;
  if (service === "gateway")
    return `${figure("chunks_accepted")} chunks accepted, ${figure("open_uploads")} uploads open`;
  return `${figure("answers_running")} answers running, ${figure("answers_ended")} ended`;
}

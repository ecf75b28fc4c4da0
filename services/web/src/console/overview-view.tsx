import { formatBytes, formatDuration, formatMs, formatShort } from "../shell/format.ts";
import { Chart } from "./chart.tsx";
import { sumOf, type Sample } from "./samples.ts";
import type { ServiceRow } from "./control.ts";
import { Empty } from "./table.tsx";

export function OverviewView(props: {
  services: readonly ServiceRow[];
  samples: readonly Sample[];
  nowMs: number;
}) {
  const { services, samples, nowMs } = props;
  const last = samples.at(-1);
  const pointsOf = (figure: keyof Sample) =>
    samples.map((sample) => ({ timeMs: sample.timeMs, value: sample[figure] }));
  return (
    <>
      <h1>Overview</h1>
      <dl class="tiles number">
        <Tile label="Chunks in" value={rateOf(last?.appliedRate)} unit="/s" />
        <Tile label="Chunks out" value={rateOf(last?.sentRate)} unit="/s" />
        <Tile label="Connections" value={last === undefined ? "–" : formatShort(last.connections)} />
        <Tile label="Lag, p99" value={lagOf(last?.lagP99Ms)} />
        <Tile label="Reconnects" value={formatShort(sumOf(services, "edge", "reconnects"))} />
        <Tile label="Gaps told" value={formatShort(sumOf(services, "edge", "gaps"))} />
      </dl>
      <div class="charts">
        <Chart
          title="Rate, chunks per second"
          nowMs={nowMs}
          format={formatShort}
          series={[
            { name: "in", color: 1, points: pointsOf("appliedRate") },
            { name: "out", color: 3, points: pointsOf("sentRate") },
          ]}
        />
        <Chart
          title="Lag, from the log to the reader"
          nowMs={nowMs}
          format={formatMs}
          series={[
            { name: "p99", color: 2, points: pointsOf("lagP99Ms") },
            { name: "p50", color: 1, points: pointsOf("lagP50Ms") },
          ]}
        />
        <Chart
          title="Connections"
          nowMs={nowMs}
          format={formatShort}
          series={[
            { name: "connections", color: 1, points: pointsOf("connections") },
            { name: "streams on them", color: 3, points: pointsOf("subscribers") },
          ]}
        />
      </div>
      <h2>Services</h2>
      {services.length === 0 ? (
        <Empty>No service has answered yet.</Empty>
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

/** In the order of a chunk's way. */
const ORDER: readonly ServiceRow["service"][] = ["gateway", "worker", "ingest", "edge"];

function ServiceTable(props: { services: readonly ServiceRow[]; nowMs: number }) {
  const rows = [...props.services].sort(
    (left, right) =>
      ORDER.indexOf(left.service) - ORDER.indexOf(right.service) ||
      left.instance.localeCompare(right.instance),
  );
  return (
    <div class="table-frame" tabIndex={0} role="group" aria-label="Services">
      <table class="table number">
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col">Instance</th>
            <th scope="col">Does</th>
            <th scope="col" class="end">
              Memory
            </th>
            <th scope="col" class="end">
              Loop delay p99
            </th>
            <th scope="col" class="end">
              Up
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.instance}>
              <td>{row.service}</td>
              <td class="mono">{row.instance}</td>
              <td>{workOf(row)}</td>
              <td class="end">{formatBytes(row.figures["rss_bytes"] ?? 0)}</td>
              <td class="end">{formatMs(row.figures["event_loop_delay_p99_ms"] ?? 0)}</td>
              <td class="end">{formatDuration(props.nowMs - row.started_ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What a service says that it is busy with, in a few words. */
function workOf({ service, figures, partitions }: ServiceRow): string {
  const figure = (name: string): string => formatShort(figures[name] ?? 0);
  if (service === "ingest")
    return `${partitions.length} partitions, ${figure("chunks_applied")} chunks applied`;
  if (service === "edge") return `${figure("connections")} connections, ${figure("chunks_sent")} chunks sent`;
  if (service === "gateway")
    return `${figure("chunks_accepted")} chunks accepted, ${figure("open_uploads")} uploads open`;
  return `${figure("answers_running")} answers running, ${figure("answers_ended")} ended`;
}

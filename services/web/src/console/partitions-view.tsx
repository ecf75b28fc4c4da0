import { formatAgo, formatCount, formatMs, formatShort } from "../shell/format.ts";
import { getJson, type PartitionRow, type ServiceRow } from "./control.ts";
import { Empty, Problem } from "./table.tsx";
import { usePolled } from "./use-polled.ts";

const REFRESH_MS = 2_000;

export function PartitionsView(props: { services: readonly ServiceRow[] }) {
  const { data, problem, loadedMs } = usePolled("partitions", REFRESH_MS, async () => {
    const answer = await getJson<{ partitions: PartitionRow[] }>("/control/partitions");
    return answer.partitions;
  });
  const rows = data ?? [];
  const replicas = props.services.filter(({ service }) => service === "ingest");
  const owners = [...new Set(rows.flatMap(({ owner }) => owner ?? []))].sort();
  return (
    <>
      <h1>Partitions</h1>
      <Problem problem={problem} />
      {data !== null && rows.length === 0 && <Empty>The log has no partitions yet.</Empty>}
      {owners.map((owner) => (
        <Replica
          key={owner}
          owner={owner}
          rows={rows.filter((row) => row.owner === owner)}
          report={replicas.find((row) => row.instance === owner)}
          nowMs={loadedMs}
        />
      ))}
      {rows.some(({ owner }) => owner === null) && (
        <Replica
          owner={null}
          rows={rows.filter(({ owner }) => owner === null)}
          report={undefined}
          nowMs={loadedMs}
        />
      )}
    </>
  );
}

function Replica(props: {
  owner: string | null;
  rows: readonly PartitionRow[];
  report: ServiceRow | undefined;
  nowMs: number;
}) {
  const { owner, rows, report, nowMs } = props;
  return (
    <section class="replica" aria-label={owner ?? "Unassigned"}>
      <h2>
        {owner === null ? "Unassigned" : <span class="mono">{owner}</span>}
        <small class="faint number">
          {rows.length} {rows.length === 1 ? "partition" : "partitions"}
          {report !== undefined &&
            ` · ${formatShort(report.figures["chunks_applied"] ?? 0)} chunks applied · lag ${formatMs(report.figures["lag_ms"] ?? 0)}`}
        </small>
      </h2>
      <ul role="list" class="partitions number">
        {rows.map((row) => {
          const { text, tone } = stateOf(row);
          return (
            <li key={row.partition} data-tone={tone}>
              <strong>{row.partition}</strong>
              <span>{text}</span>
              <span class="faint">
                {row.checkpoint === null || row.checkpoint.timestamp_ms === 0
                  ? "no messages"
                  : formatAgo(row.checkpoint.timestamp_ms, nowMs)}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function stateOf(row: PartitionRow): { text: string; tone: string } {
  if (row.owner === null) return { text: "no owner", tone: "bad" };
  if (row.checkpoint === null) return { text: "no checkpoint", tone: "warn" };
  if (row.lag_messages === null) return { text: "lag unknown", tone: "warn" };
  if (row.lag_messages === 0) return { text: "up to date", tone: "good" };
  return { text: `${formatCount(row.lag_messages)} behind`, tone: "warn" };
}

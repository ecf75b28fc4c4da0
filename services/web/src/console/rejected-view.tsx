import { useState } from "preact/hooks";
import { formatBytes } from "../shell/format.ts";
import { getJson, type RejectedList, type RejectedRow } from "./control.ts";
import { hrefOf } from "./route.ts";
import { Empty, Problem, Time } from "./table.tsx";
import { usePolled } from "./use-polled.ts";

const REFRESH_MS = 3_000;
const PAGE = 50;

export function RejectedView() {
  const [older, setOlder] = useState<readonly RejectedRow[]>([]);
  const [before, setBefore] = useState<string | null>(null);
  const { data, problem, loadedMs } = usePolled("rejected", REFRESH_MS, () =>
    getJson<RejectedList>("/control/rejected", { limit: String(PAGE) }),
  );
  const next = before ?? (data?.next_before === null || data === null ? null : String(data.next_before));
  const rows = withoutDuplicates([...(data?.rejected ?? []), ...older]);
  const showOlder = async (): Promise<void> => {
    if (next === null) return;
    const page = await getJson<RejectedList>("/control/rejected", { limit: String(PAGE), before: next });
    setOlder([...older, ...page.rejected]);
    setBefore(page.next_before === null ? "" : String(page.next_before));
  };
  return (
    <>
      <h1>Rejected</h1>
      <p class="lead">
        Published elements that aren't valid chunks. Each keeps its sequence, and readers skip it.
      </p>
      <Problem problem={problem} />
      {data !== null && rows.length === 0 && <Empty>No elements were rejected.</Empty>}
      {rows.length > 0 && (
        <ul role="list" class="rejected">
          {rows.map((row) => (
            <li key={row.position}>
              <details>
                <summary>
                  <span class="reason">{row.reason}</span>
                  <span class="mono id">{row.stream_id}</span>
                  <span class="faint number">
                    <Time ms={row.stored_ms} nowMs={loadedMs} />
                  </span>
                </summary>
                <dl class="pairs number">
                  <dt>Stream</dt>
                  <dd>
                    <a class="mono" href={hrefOf("streams", row.stream_id)}>
                      {row.stream_id}
                    </a>
                  </dd>
                  <dt>Message</dt>
                  <dd>
                    {row.broker_sequence}, element {row.element}, {formatBytes(row.payload_bytes)}
                  </dd>
                </dl>
                <pre tabIndex={0} aria-label="Published payload">
                  {row.payload}
                </pre>
              </details>
            </li>
          ))}
        </ul>
      )}
      {next !== null && next !== "" && (
        <button type="button" class="button more" onClick={() => void showOlder()}>
          Show older
        </button>
      )}
    </>
  );
}

function withoutDuplicates(rows: readonly RejectedRow[]): RejectedRow[] {
  return [...new Map(rows.map((row) => [row.position, row])).values()];
}

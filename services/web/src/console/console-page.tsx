import { useMemo } from "preact/hooks";
import { Bar, Icon } from "../shell/bar.tsx";
import { useStore } from "../shell/store.ts";
import type { WebConfig } from "../shell/web-config.ts";
import { ConnectionsView } from "./connections-view.tsx";
import { getJson, type ServiceRow } from "./control.ts";
import { OverviewView } from "./overview-view.tsx";
import { PartitionsView } from "./partitions-view.tsx";
import { RejectedView } from "./rejected-view.tsx";
import { hrefOf, route, type View } from "./route.ts";
import { Samples } from "./samples.ts";
import { StreamView } from "./stream-view.tsx";
import { StreamsView } from "./streams-view.tsx";
import { Problem } from "./table.tsx";
import { usePolled } from "./use-polled.ts";

const NAVIGATION: readonly { view: View; label: string; icon: string }[] = [
  { view: "overview", label: "Overview", icon: "M4 19V5M4 19h16M8 15l4-5 3 3 5-7" },
  { view: "streams", label: "Streams", icon: "M4 7h11M4 12h16M4 17h8" },
  { view: "connections", label: "Connections", icon: "M9 9h6v6H9zM12 9V4M12 15v5M9 12H4M15 12h5" },
  { view: "partitions", label: "Partitions", icon: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z" },
  { view: "rejected", label: "Rejected", icon: "M12 3l9 16H3zM12 10v4M12 16.5v.01" },
];

const SAMPLE_MS = 1_000;

export function ConsolePage(props: { config: WebConfig }) {
  const { edgeUrl } = props.config;
  const { view, streamId } = useStore(route);
  const samples = useMemo(() => new Samples(), []);
  const services = usePolled("services", SAMPLE_MS, async () => {
    const answer = await getJson<{ services: ServiceRow[] }>("/control/services");
    samples.add(answer.services, Date.now());
    return answer.services;
  });
  const found = services.data ?? [];
  return (
    <>
      <Bar page="console">
        <Freshness loadedMs={services.loadedMs} isStale={services.problem !== null} />
      </Bar>
      <div class="console">
        <nav class="side" aria-label="Views">
          {NAVIGATION.map((item) => (
            <a
              key={item.view}
              href={hrefOf(item.view)}
              {...(item.view === view ? { "aria-current": "page" as const } : {})}
            >
              <Icon path={item.icon} size={16} />
              {item.label}
            </a>
          ))}
        </nav>
        <main id="main" tabIndex={-1}>
          <Problem problem={services.problem} />
          {view === "overview" && (
            <OverviewView services={found} samples={samples.all} nowMs={services.loadedMs} />
          )}
          {view === "streams" && streamId === null && <StreamsView />}
          {view === "streams" && streamId !== null && (
            <StreamView key={streamId} streamId={streamId} edgeUrl={edgeUrl} />
          )}
          {view === "connections" && <ConnectionsView services={found} />}
          {view === "partitions" && <PartitionsView services={found} />}
          {view === "rejected" && <RejectedView />}
        </main>
      </div>
    </>
  );
}

function Freshness(props: { loadedMs: number; isStale: boolean }) {
  const [label, tone] =
    props.loadedMs === 0 ? ["Connecting", ""] : props.isStale ? ["Stale", "warn"] : ["Live", "accent"];
  return (
    <span class="state" role="status" data-tone={tone} data-moving={!props.isStale}>
      {label}
    </span>
  );
}

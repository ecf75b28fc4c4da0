import { describe, expect, test } from "vitest";
import { readManifests, readText, readYaml } from "./deployment-files.ts";
import { SERVICE_CATALOG } from "./service-catalog.ts";

interface RuleFile {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly record?: string;
      readonly alert?: string;
      readonly expr: string;
      readonly for?: string;
      readonly labels?: { readonly severity?: string };
    }[];
  }[];
}

interface Dashboard {
  readonly panels: readonly {
    readonly type: string;
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

/** Labels that Prometheus gives to every series, by the scrape configurations. */
const TARGET_LABELS = ["instance", "job", "component", "namespace", "pod", "service", "le"];

/** prom-client's own: of a dozen, the board shows three. */
const PROCESS_METRICS = "sluice_process_";

/** Shares since the start of a process, for who reads /metrics: the board has them from their counters' rates. */
const SINCE_START = new Set([
  "sluice_edge_chunk_bytes_average",
  "sluice_edge_reconnection_ratio",
  "sluice_edge_cache_hit_ratio",
]);

const rulesOf = (file: string) => (readYaml(file) as RuleFile).groups.flatMap(({ rules }) => rules);
const recording = rulesOf("deploy/prometheus/recording-rules.yml");
const alerts = rulesOf("deploy/prometheus/alerts.yml");
const recorded = new Set(recording.map(({ record }) => record));
const dashboard = JSON.parse(readText("deploy/grafana/sluice.json")) as Dashboard;

/** All series that the services export, with the labels that each may carry. */
async function exportedSeries(): Promise<Map<string, readonly string[]>> {
  const series = new Map<string, readonly string[]>();
  for (const { registry } of SERVICE_CATALOG.values()) {
    for (const { name, type } of await registry.getMetricsAsJSON()) {
      const metric = registry.getSingleMetric(name) as { labelNames?: string[] } | undefined;
      const suffixes = String(type) === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      for (const suffix of suffixes) series.set(name + suffix, metric?.labelNames ?? []);
    }
  }
  return series;
}

const expressions: [where: string, expression: string][] = [
  ...recording.map(({ record, expr }): [string, string] => [`rule ${record ?? ""}`, expr]),
  ...alerts.map(({ alert, expr }): [string, string] => [`alert ${alert ?? ""}`, expr]),
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }): [string, string] => [`panel ${title}`, expr]),
  ),
];

describe("rules and dashboard", () => {
  test.each(expressions)("%s asks only for series that exist", async (_where, expression) => {
    const series = await exportedSeries();
    const names = expression.match(/\bsluice[_:][a-z0-9_:]+/g) ?? [];
    expect(names.filter((name) => !series.has(name) && !recorded.has(name))).toEqual([]);
    // Prometheus' own, the only one that isn't ours: an expression without any would prove nothing.
    expect(names.length > 0 || expression.startsWith('up{job="sluice"}')).toBe(true);
  });

  test.each(expressions)("%s uses only labels that those have", async (_where, expression) => {
    const series = await exportedSeries();
    // A recorded series keeps the labels that its rule sums by.
    const sources = [
      expression,
      ...recording.flatMap(({ record, expr }) =>
        record !== undefined && expression.includes(record) ? expr : [],
      ),
    ];
    const names = sources.flatMap((source) => source.match(/\bsluice_[a-z0-9_]+/g) ?? []);
    const known = new Set([...TARGET_LABELS, ...names.flatMap((name) => series.get(name) ?? [])]);
    const selected = [...expression.matchAll(/[{,]\s*(\w+)\s*(?:=~|!~|!=|=)/g)].map(
      ([, label = ""]) => label,
    );
    const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
      list.split(/,\s*/),
    );
    expect([...selected, ...grouped].filter((label) => !known.has(label))).toEqual([]);
  });

  test.each([...SERVICE_CATALOG])(
    "the board shows every metric that %s exports",
    async (_name, { registry }) => {
      const asked = expressions.filter(([where]) => where.startsWith("panel ")).map(([, expr]) => expr);
      const sources = recording.flatMap(({ record = "", expr }) =>
        asked.some((expression) => expression.includes(record)) ? expr : [],
      );
      const shown = new Set(
        [...asked, ...sources].flatMap((expr) => expr.match(/\bsluice_[a-z0-9_]+/g) ?? []),
      );
      const isShown = (name: string): boolean =>
        ["", "_bucket", "_sum", "_count"].some((suffix) => shown.has(name + suffix));
      const own = (await registry.getMetricsAsJSON()).map(({ name }) => name);
      expect(
        own.filter((name) => !name.startsWith(PROCESS_METRICS) && !SINCE_START.has(name) && !isShown(name)),
      ).toEqual([]);
    },
  );

  test("the autoscaler's metric is exported and served by the adapter", async () => {
    const scaler = readManifests().find(({ file }) => file.endsWith("edge-autoscaler.yaml"));
    const metric = scaler?.spec.metrics?.find(({ pods }) => pods !== undefined)?.pods?.metric.name ?? "";
    expect([...(await exportedSeries()).keys()]).toContain(metric);
    expect(readText("deploy/prometheus/adapter-values.yaml")).toContain(`seriesQuery: '${metric}{`);
  });
});

test.each([...SERVICE_CATALOG])(
  "what %s says to the console is drawn from metrics that it has",
  async (_name, entry) => {
    const series = await exportedSeries();
    for (const source of Object.values(entry.figures)) {
      const name = source.kind === "quantile-ms" ? `${source.metric}_bucket` : source.series;
      expect([...series.keys()]).toContain(name);
    }
  },
);

test("OPERATIONS.md has a section for each alert, and for no other", () => {
  const sections = [...readText("deploy/OPERATIONS.md").matchAll(/^### (Sluice\w+)$/gm)].map(
    ([, name]) => name,
  );
  expect(new Set(sections)).toEqual(new Set(alerts.map(({ alert }) => alert)));
  expect(sections).toHaveLength(alerts.length);
});

/** The panels by row, as OPERATIONS.md names them: `row / panel`. */
function namedPanels(): Set<string> {
  const names = new Set<string>();
  let row = "";
  for (const { type, title } of dashboard.panels) {
    if (type === "row") row = title;
    else names.add(`${row} / ${title}`);
  }
  return names;
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim();
const inWords = (time = "0s"): string =>
  time === "0s" ? "at once" : `after ${time.replace("s", " s").replace("m", " min")}`;

test.each(alerts.map((rule) => [rule.alert ?? "", rule] as const))(
  "OPERATIONS.md gives %s's expression, severity and time, and panels that the board has",
  (name, rule) => {
    const text = readText("deploy/OPERATIONS.md");
    const [section = ""] = (text.split(`\n### ${name}\n`)[1] ?? "").split(/^##/m);
    expect(oneLine(/```promql\n([\s\S]*?)```/.exec(section)?.[1] ?? "")).toBe(oneLine(rule.expr));
    const [, severity, time, panels = ""] = /^`(\w+)`, ([^.]+)\. Panels: (.+)\.$/m.exec(section) ?? [];
    expect([severity, time]).toEqual([rule.labels?.severity, inWords(rule.for)]);
    const named = [...panels.matchAll(/\*([^*]+)\*/g)].map(([, panel]) => panel ?? "");
    expect(named.filter((panel) => !namedPanels().has(panel))).toEqual([]);
    // That a process is away is known of its target alone.
    expect(named.length).toBeGreaterThan(name === "SluiceTargetDown" ? -1 : 0);
  },
);

import { useEffect, useRef, useState } from "preact/hooks";
import { formatDuration } from "../shell/format.ts";

export interface Series {
  readonly name: string;
  /** Number of one of the design's series colours. */
  readonly color: 1 | 2 | 3;
  /** Points in the order of time. A value of null breaks the line: nothing is known of that moment. */
  readonly points: readonly { readonly timeMs: number; readonly value: number | null }[];
}

const HEIGHT = 132;
const TOP = 8;
const BOTTOM = 20;
const LEFT = 44;
const NARROW = 340;
const MAX_STEP_MS = 5_000;
/** Widths of the chart's window. The narrowest that holds all samples is used, so a page that was just opened isn't an empty frame. */
const WINDOWS_MS = [60_000, 120_000, 300_000];

/** Draws the last minutes of a few figures, the newest at the right edge. */
export function Chart(props: {
  title: string;
  series: readonly Series[];
  format: (value: number) => string;
  nowMs: number;
}) {
  const { title, series, format, nowMs } = props;
  const { frame, width } = useWidth();
  const [pointerX, setPointerX] = useState<number | null>(null);
  const windowMs = windowOf(series, nowMs);
  const top = niceTop(Math.max(0, ...series.flatMap(({ points }) => points.map(({ value }) => value ?? 0))));
  const x = (timeMs: number): number => LEFT + (1 - (nowMs - timeMs) / windowMs) * (width - LEFT);
  const y = (value: number): number => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const pointedMs = pointerX === null ? null : nowMs - (1 - (pointerX - LEFT) / (width - LEFT)) * windowMs;
  const valueAt = ({ points }: Series): number | null => {
    if (pointedMs === null) return points.at(-1)?.value ?? null;
    const near = points.findLast(({ timeMs }) => timeMs <= pointedMs);
    return near !== undefined && pointedMs - near.timeMs < MAX_STEP_MS ? near.value : null;
  };
  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <ul role="list" class="legend number">
          {series.map((one) => {
            const value = valueAt(one);
            return (
              <li key={one.name} data-series={one.color}>
                {one.name} <strong>{value === null ? "–" : format(value)}</strong>
              </li>
            );
          })}
        </ul>
      </figcaption>
      <div
        class="chart-frame"
        ref={frame}
        onPointerMove={(event) =>
          setPointerX(event.clientX - event.currentTarget.getBoundingClientRect().left)
        }
        onPointerLeave={() => setPointerX(null)}
      >
        <svg width={width} height={HEIGHT} role="img" aria-label={summaryOf(title, series, format)}>
          {[0, 0.5, 1].map((part) => (
            <g key={part}>
              <line class="grid" x1={LEFT} x2={width} y1={y(part * top)} y2={y(part * top)} />
              <text x={LEFT - 8} y={y(part * top)} dy="0.32em" text-anchor="end">
                {format(part * top)}
              </text>
            </g>
          ))}
          {(width < NARROW ? [0.5] : [0.75, 0.5, 0.25]).map((part) => (
            <text key={part} x={x(nowMs - part * windowMs)} y={HEIGHT - 4} text-anchor="middle">
              −{formatDuration(part * windowMs)}
            </text>
          ))}
          <text x={LEFT} y={HEIGHT - 4}>
            −{formatDuration(windowMs)}
          </text>
          <text x={width} y={HEIGHT - 4} text-anchor="end">
            now
          </text>
          {series.map((one, index) => (
            <g key={one.name} data-series={one.color}>
              {runsOf(one).map((run, number) => {
                const line = run
                  .map(({ timeMs, value }) => `${x(timeMs).toFixed(1)},${y(value).toFixed(1)}`)
                  .join("L");
                const [first, last] = [run[0]?.timeMs ?? 0, run.at(-1)?.timeMs ?? 0];
                return (
                  <g key={number}>
                    {index === 0 && (
                      <path class="area" d={`M${x(first)},${y(0)}L${line}L${x(last)},${y(0)}Z`} />
                    )}
                    <path class="line" d={`M${line}`} />
                  </g>
                );
              })}
            </g>
          ))}
          {pointerX !== null && pointerX > LEFT && (
            <line class="pointer" x1={pointerX} x2={pointerX} y1={TOP} y2={HEIGHT - BOTTOM} />
          )}
        </svg>
      </div>
    </figure>
  );
}

function windowOf(series: readonly Series[], nowMs: number): number {
  const first = Math.min(nowMs, ...series.map(({ points }) => points[0]?.timeMs ?? nowMs));
  return WINDOWS_MS.find((windowMs) => nowMs - first <= windowMs) ?? 300_000;
}

function useWidth() {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(480);
  useEffect(() => {
    if (frame.current === null) return;
    const observer = new ResizeObserver(([entry]) =>
      setWidth(Math.max(200, entry?.contentRect.width ?? 480)),
    );
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  return { frame, width };
}

/** Splits a line where samples are missing: nothing was measured while the page was hidden. */
function runsOf({ points }: Series): { timeMs: number; value: number }[][] {
  const runs: { timeMs: number; value: number }[][] = [];
  let lastMs = -Infinity;
  for (const { timeMs, value } of points) {
    if (value === null) continue;
    if (timeMs - lastMs > MAX_STEP_MS) runs.push([]);
    runs.at(-1)?.push({ timeMs, value });
    lastMs = timeMs;
  }
  return runs;
}

/** Rounds the value up to the next of 1, 2, 5, 10, 20 … */
export function niceTop(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= value) ?? value;
}

function summaryOf(title: string, series: readonly Series[], format: (value: number) => string): string {
  const parts = series.map(({ name, points }) => {
    const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
    const last = values.at(-1);
    return last === undefined
      ? `${name}: no data`
      : `${name}: now ${format(last)}, maximum ${format(Math.max(...values))}`;
  });
  return `${title}, the last minutes. ${parts.join(". ")}.`;
}

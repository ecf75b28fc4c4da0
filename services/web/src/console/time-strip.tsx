import type { Chunk } from "@sluice/core";
import { formatCount, formatMs } from "../shell/format.ts";

const HEIGHT = 40;
const WIDTH = 1_000;
const MIN_TICK = 6;

/** Draws the chunks in time: one tick each, whose height is the chunk's size. A click chooses the nearest. */
export function TimeStrip(props: { chunks: readonly Chunk[]; onChoose: (sequence: number) => void }) {
  const { chunks, onChoose } = props;
  const firstMs = chunks[0]?.timestamp ?? 0;
  const spanMs = Math.max(1, (chunks.at(-1)?.timestamp ?? 0) - firstMs);
  const sizes = chunks.map((chunk) => JSON.stringify(chunk.chunk_type).length);
  const largest = Math.max(1, ...sizes);
  const x = (chunk: Chunk): number => 2 + ((chunk.timestamp - firstMs) / spanMs) * (WIDTH - 4);
  const choose = (event: MouseEvent): void => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const nearest = chunks.reduce((best, chunk) =>
      Math.abs(x(chunk) - at) < Math.abs(x(best) - at) ? chunk : best,
    );
    onChoose(nearest.sequence);
  };
  return (
    <div class="strip">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${formatCount(chunks.length)} chunks in ${formatMs(spanMs)}`}
        onClick={choose}
      >
        {chunks.map((chunk, index) => {
          const height = MIN_TICK + ((sizes[index] ?? 0) / largest) * (HEIGHT - MIN_TICK);
          return (
            <line
              key={chunk.sequence}
              data-type={chunk.chunk_type.type}
              x1={x(chunk)}
              x2={x(chunk)}
              y1={HEIGHT}
              y2={HEIGHT - height}
              vector-effect="non-scaling-stroke"
            />
          );
        })}
      </svg>
      <div class="strip-ends faint number" aria-hidden="true">
        <span>{formatCount(chunks[0]?.sequence ?? 0)}</span>
        <span>{formatMs(spanMs)}</span>
        <span>{formatCount(chunks.at(-1)?.sequence ?? 0)}</span>
      </div>
    </div>
  );
}

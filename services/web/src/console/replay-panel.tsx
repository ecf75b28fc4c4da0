import { createClient } from "@sluice/client";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { effectOf, pushPiece, type Piece } from "../reading/reading.ts";
import { Icon } from "../shell/bar.tsx";
import { formatCount } from "../shell/format.ts";
import { playPaced } from "./play-paced.ts";

const SPEEDS: readonly { label: string; factor: number }[] = [
  { label: "Original speed", factor: 1 },
  { label: "4× speed", factor: 4 },
  { label: "Full speed", factor: Infinity },
];

interface Playing {
  readonly sequence: number;
  readonly pieces: readonly Piece[];
  readonly state: "playing" | "ended" | "stopped" | "failed";
  readonly problem: string;
}

/** Reads the stream again through an edge, from any chunk on, and continues live while it is open. */
export function ReplayPanel(props: {
  streamId: string;
  edgeUrl: string;
  head: number;
  from: number;
  onFrom: (from: number) => void;
}) {
  const { streamId, edgeUrl, head, from, onFrom } = props;
  const client = useMemo(() => createClient({ edgeUrl }), [edgeUrl]);
  const running = useRef<AbortController | null>(null);
  const output = useRef<HTMLPreElement>(null);
  const [factor, setFactor] = useState(4);
  const [playing, setPlaying] = useState<Playing | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  useEffect(() => {
    if (output.current !== null) output.current.scrollTop = output.current.scrollHeight;
  }, [playing]);

  const play = async (): Promise<void> => {
    running.current?.abort();
    const controller = new AbortController();
    const { signal } = controller;
    running.current = controller;
    const pieces: Piece[] = [];
    let sequence = from - 1;
    const show = (state: Playing["state"], problem = ""): void =>
      setPlaying({ sequence, pieces: [...pieces], state, problem });
    show("playing");
    try {
      const stream = client.stream(streamId, { from, signal });
      stream.on("gap", (gap) => {
        if (gap.reset !== true) pushPiece(pieces, { kind: "gap", ...gap });
      });
      await playPaced(stream, factor, signal, (chunk) => {
        ({ sequence } = chunk);
        const { piece } = effectOf(chunk);
        if (piece !== undefined) pushPiece(pieces, piece);
        show("playing");
      });
      if (!signal.aborted) show("ended");
    } catch (error) {
      if (!signal.aborted) show("failed", error instanceof Error ? error.message : String(error));
    }
    if (signal.aborted && running.current === controller) show("stopped");
  };

  const isPlaying = playing?.state === "playing";
  return (
    <section class="replay" aria-labelledby="replay-title">
      <h2 id="replay-title">Replay</h2>
      <form
        class="replay-controls"
        onSubmit={(event) => {
          event.preventDefault();
          void play();
        }}
      >
        <label>
          <span>From chunk</span>
          <input
            class="field number"
            type="number"
            min={1}
            max={Math.max(1, head)}
            value={from}
            onChange={(event) => onFrom(Math.max(1, Math.min(head, Number(event.currentTarget.value) || 1)))}
          />
        </label>
        <input
          class="slider"
          type="range"
          aria-label="From chunk"
          min={1}
          max={Math.max(1, head)}
          value={from}
          onInput={(event) => onFrom(Number(event.currentTarget.value))}
        />
        <label>
          <span class="visually-hidden">Speed</span>
          <select
            class="field"
            value={String(factor)}
            onChange={(event) => setFactor(Number(event.currentTarget.value))}
          >
            {SPEEDS.map((speed) => (
              <option key={speed.label} value={String(speed.factor)}>
                {speed.label}
              </option>
            ))}
          </select>
        </label>
        {isPlaying ? (
          <button type="button" class="button" onClick={() => running.current?.abort()}>
            Stop
          </button>
        ) : (
          <button type="submit" class="button primary">
            <Icon path="M8 5.5v13l10-6.5z" size={14} />
            Replay
          </button>
        )}
      </form>
      {playing !== null && (
        <div class="replayed">
          <p class="faint number" role="status">
            {statusOf(playing)}
          </p>
          <progress
            max={Math.max(1, head)}
            value={Math.max(0, playing.sequence)}
            aria-label="Replayed up to"
          />
          <pre ref={output} tabIndex={0} aria-label="Replayed text">
            {playing.pieces.map((piece) => textOfPiece(piece)).join("")}
          </pre>
        </div>
      )}
    </section>
  );
}

function statusOf({ state, sequence, problem }: Playing): string {
  const at = `at chunk ${formatCount(Math.max(0, sequence))}`;
  if (state === "failed") return `Failed ${at}: ${problem}`;
  return { playing: `Playing ${at}`, ended: `Finished ${at}`, stopped: `Stopped ${at}` }[state];
}

function textOfPiece(piece: Piece): string {
  if (piece.kind === "text") return piece.text;
  if (piece.kind === "gap")
    return `\n[chunks ${piece.from} to ${piece.to} are no longer available: ${piece.reason}]\n`;
  return `\n[${piece.label}] ${piece.text}\n`;
}

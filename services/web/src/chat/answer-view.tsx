import { useEffect, useState } from "preact/hooks";
import { isFinal, textOf, type Piece, type Reading } from "../reading/reading.ts";
import { Icon } from "../shell/bar.tsx";
import { formatCount } from "../shell/format.ts";
import { killEdge, stopStream } from "./ask.ts";
import { Markdown } from "./markdown-view.tsx";
import type { Service } from "./service.ts";
import { StatePill } from "./state-pill.tsx";
import { useFollowing } from "./use-following.ts";

const WORD_MS = 6_000;

export function AnswerView(props: {
  prompt: string;
  reading: Reading | null;
  /** Whether it is shown from this browser's storage, and nothing is being read. */
  isRemembered: boolean;
  service: Service | null;
}) {
  const { prompt, reading, service } = props;
  const [isPlain, setPlain] = useState(false);
  const isOver = reading !== null && isFinal(reading.status.state);
  const { isAtEnd, scrollToEnd } = useFollowing(reading, !isOver);
  return (
    <article class="answer" aria-labelledby="question">
      <h1 id="question">{prompt || "Answer to a question from another browser"}</h1>
      <AnswerBar reading={reading} isPlain={isPlain} onPlain={setPlain} service={service} />
      <div class="answer-body" data-state={reading?.status.state ?? "connecting"} aria-busy={!isOver}>
        {reading === null || reading.pieces.length === 0 ? (
          <Nothing reading={reading} />
        ) : isPlain ? (
          <pre class="plain" tabIndex={0} aria-label="The answer as plain text">
            {textOf(reading.pieces)}
          </pre>
        ) : (
          <Pieces pieces={reading.pieces} isOver={isOver} />
        )}
        {reading !== null && <Ending reading={reading} />}
      </div>
      {!isAtEnd && !isOver && (
        <button type="button" class="button to-end" onClick={scrollToEnd}>
          <Icon path="M12 5v14M6 13l6 6 6-6" size={14} />
          Latest
        </button>
      )}
    </article>
  );
}

function AnswerBar(props: {
  reading: Reading | null;
  isPlain: boolean;
  onPlain: (isPlain: boolean) => void;
  service: Service | null;
}) {
  const { reading, isPlain, onPlain, service } = props;
  const [word, setWord] = useState<string | null>(null);
  const [isStopping, setStopping] = useState(false);
  const status = reading?.status;
  const isRunning = status === undefined || !isFinal(status.state);
  const say = async (action: () => Promise<string>): Promise<void> => {
    try {
      setWord(await action());
    } catch (error) {
      setWord(error instanceof Error ? error.message : String(error));
    }
  };
  const stop = async (): Promise<void> => {
    if (reading === null) return;
    setStopping(true);
    await say(async () => {
      await stopStream(reading.streamId);
      return "Stop requested.";
    });
    setStopping(false);
  };
  useEffect(() => {
    if (word === null) return;
    const timer = setTimeout(() => setWord(null), WORD_MS);
    return () => clearTimeout(timer);
  }, [word]);
  useEffect(() => {
    if (!isRunning) return;
    const onKey = (event: KeyboardEvent): void => {
      if (isPlainEscape(event)) void stop();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [isRunning, reading?.streamId]);

  const launcherUrl = service?.config.launcherUrl ?? null;
  const connectionId = status?.connectionId ?? null;
  return (
    <div class="answer-bar">
      <div class="answer-facts">
        <StatePill state={status?.state ?? "connecting"} />
        {reading?.pieces.some((piece) => piece.kind === "gap") === true && (
          <span class="state" data-tone="warn">
            Gap
          </span>
        )}
        <span class="facts number">
          {status === undefined ? "" : factsOf(status.sequence, status.reconnects)}
        </span>
        {isRunning && status?.progress && <span class="facts">{status.progress}</span>}
        <span class="facts word" aria-live="polite">
          {word}
        </span>
      </div>
      <div class="answer-actions">
        {isRunning && (
          <button
            type="button"
            class="button"
            aria-keyshortcuts="Escape"
            disabled={isStopping || reading === null}
            onClick={() => void stop()}
          >
            <Icon path="M7 7h10v10H7z" size={14} />
            Stop
          </button>
        )}
        {launcherUrl !== null && isRunning && (
          <button
            type="button"
            class="button danger"
            title="Kills the edge process that serves this page (kill -9). It restarts."
            disabled={connectionId === null || status?.state !== "live"}
            onClick={() => {
              if (connectionId === null) return;
              void say(async () => `Killed ${await killEdge(launcherUrl, connectionId)}.`);
            }}
          >
            Kill my pod
          </button>
        )}
        <button type="button" class="button quiet" aria-pressed={isPlain} onClick={() => onPlain(!isPlain)}>
          Plain
        </button>
        <button
          type="button"
          class="button quiet"
          disabled={reading === null}
          onClick={() =>
            void say(async () => {
              await navigator.clipboard.writeText(textOf(reading?.pieces ?? []));
              return "Copied.";
            })
          }
        >
          Copy
        </button>
        {reading !== null && (
          <a class="button quiet" href={`/console/#/streams/${encodeURIComponent(reading.streamId)}`}>
            Inspect
          </a>
        )}
      </div>
    </div>
  );
}

/** Whether Escape is meant for the answer. It stops it for every reader, so not from a field, nor a key that is held down. */
function isPlainEscape(event: KeyboardEvent): boolean {
  if (event.key !== "Escape" || event.defaultPrevented || event.repeat || event.isComposing) return false;
  return !(event.target instanceof Element && event.target.closest("input, textarea, select"));
}

function factsOf(sequence: number, reconnects: number): string {
  const chunks = `${formatCount(sequence)} ${sequence === 1 ? "chunk" : "chunks"}`;
  return reconnects === 0
    ? chunks
    : `${chunks} · ${reconnects} ${reconnects === 1 ? "reconnect" : "reconnects"}`;
}

function Pieces(props: { pieces: readonly Piece[]; isOver: boolean }) {
  const { pieces, isOver } = props;
  return (
    <>
      {pieces.map((piece, index) => {
        if (piece.kind === "text") {
          const isComplete = isOver || index < pieces.length - 1;
          return <Markdown key={index} text={piece.text} isComplete={isComplete} />;
        }
        if (piece.kind === "gap") {
          return (
            <p key={index} class="notice">
              <strong>
                Chunks {formatCount(piece.from)} to {formatCount(piece.to)} are no longer available.
              </strong>
              <span>{piece.reason}</span>
            </p>
          );
        }
        return (
          <p key={index} class="note">
            <span>{piece.label}</span>
            <code>{piece.text}</code>
          </p>
        );
      })}
    </>
  );
}

function Nothing(props: { reading: Reading | null }) {
  const state = props.reading?.status.state ?? "connecting";
  if (isFinal(state)) return null;
  return (
    <div class="skeleton" role="presentation">
      <span />
      <span />
      <span />
    </div>
  );
}

/** Says how the answer ended, unless it simply completed. */
function Ending(props: { reading: Reading }) {
  const { state, detail } = props.reading.status;
  if (state === "completed") return detail === null ? null : <p class="ending">{detail}</p>;
  if (state === "stopped") return <p class="ending">Stopped. {detail}</p>;
  if (state === "failed")
    return (
      <p class="notice" data-tone="bad">
        <strong>The answer failed.</strong> <span>{detail}</span>
      </p>
    );
  if (state === "deleted") return <p class="notice">The stream was deleted.</p>;
  if (state === "ended") return <p class="notice">The answer has ended. Its outcome is unknown.</p>;
  if (state === "unreadable")
    return (
      <p class="notice" data-tone="bad">
        <strong>The answer can't be loaded right now.</strong>{" "}
        <span>{detail} Reload the page to try again.</span>
      </p>
    );
  if (state === "missing")
    return (
      <p class="notice">
        <strong>This stream doesn't exist, or has expired.</strong>
        <span>Streams are kept for a day.</span>
      </p>
    );
  return null;
}

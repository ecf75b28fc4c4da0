import { useEffect, useState } from "preact/hooks";
import { isFinal } from "../reading/reading.ts";
import { formatAgo } from "../shell/format.ts";
import { Icon } from "../shell/bar.tsx";
import { useStore } from "../shell/store.ts";
import { addressOf, showStream } from "./address.ts";
import type { Answer, Answers } from "./answers.ts";
import { stateLabel } from "./state-pill.tsx";

const REDRAW_MS = 30_000;

/** Lists the answers of this browser. */
export function History(props: { answers: Answers; shown: string | null; onShow: () => void }) {
  const { answers, shown, onShow } = props;
  const all = useStore(answers.all);
  const nowMs = useNow();
  const show = (event: MouseEvent, streamId: string | null): void => {
    // With a modifier the browser opens a new tab or window.
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    showStream(streamId);
    onShow();
  };
  const forget = (streamId: string): void => {
    answers.forget(streamId);
    if (streamId === shown) showStream(null);
  };
  return (
    <aside class="history" aria-label="Answers in this browser">
      <a class="button new-question" href={addressOf(null)} onClick={(event) => show(event, null)}>
        <Icon path="M12 5v14M5 12h14" size={16} />
        New question
      </a>
      <h2>In this browser</h2>
      {all.length === 0 ? (
        <p class="history-empty">Answers are kept in this browser.</p>
      ) : (
        <ul role="list">
          {all.map((answer) => (
            <li key={answer.streamId} data-shown={answer.streamId === shown}>
              <a
                href={addressOf(answer.streamId)}
                onClick={(event) => show(event, answer.streamId)}
                {...(answer.streamId === shown ? { "aria-current": "page" as const } : {})}
              >
                <span class="history-prompt">{answer.prompt || answer.streamId}</span>
                <span class="history-facts">{factsOf(answer, answer.streamId === shown, nowMs)}</span>
              </a>
              <button
                type="button"
                class="button quiet icon"
                aria-label={`Forget “${answer.prompt || answer.streamId}”`}
                title="Forget in this browser"
                onClick={() => forget(answer.streamId)}
              >
                <Icon path="M7 7l10 10M17 7L7 17" size={14} />
              </button>
            </li>
          ))}
        </ul>
      )}
    </aside>
  );
}

function factsOf({ status, askedMs }: Answer, isShown: boolean, nowMs: number): string {
  // The state of an answer that isn't shown may be outdated, unless it is an end.
  const isKnown = status !== null && (isShown || isFinal(status.state));
  return `${isKnown ? stateLabel(status.state) : "Incomplete"} · ${formatAgo(askedMs, nowMs)}`;
}

function useNow(): number {
  const [nowMs, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), REDRAW_MS);
    return () => clearInterval(timer);
  }, []);
  return nowMs;
}

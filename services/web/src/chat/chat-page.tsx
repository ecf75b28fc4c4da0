import { useEffect, useMemo, useState } from "preact/hooks";
import type { Reading } from "../reading/reading.ts";
import { Bar, Icon } from "../shell/bar.tsx";
import { Store, useStore } from "../shell/store.ts";
import { shownStream, showStream } from "./address.ts";
import { AnswerView } from "./answer-view.tsx";
import { isComplete, type Answer, type Answers } from "./answers.ts";
import { askWorker, newStreamId } from "./ask.ts";
import { Composer } from "./composer.tsx";
import type { Service } from "./service.ts";
import { History } from "./history.tsx";
import { Welcome } from "./welcome.tsx";

const NOTHING = new Store<Reading | null>(null);
const SAVE_EVERY_MS = 1_000;

export function ChatPage(props: { answers: Answers; service: Service | null }) {
  const { answers, service } = props;
  const streamId = useStore(shownStream);
  const all = useStore(answers.all);
  const remembered = all.find((answer) => answer.streamId === streamId);
  const reading = useReading(streamId, remembered, service);
  useRemembering(answers, remembered, reading);
  const [draft, setDraft] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isAsking, setAsking] = useState(false);
  const [isHistoryOpen, setHistoryOpen] = useState(false);

  const ask = async (prompt: string): Promise<void> => {
    setAsking(true);
    setProblem(null);
    const id = newStreamId();
    try {
      await askWorker(id, prompt);
      answers.save({ streamId: id, prompt, askedMs: Date.now(), status: null, pieces: [] });
      setDraft("");
      showStream(id);
    } catch (error) {
      setDraft(prompt);
      setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      setAsking(false);
    }
  };

  const shown = latest(streamId, remembered, reading);
  return (
    <>
      <Bar page="chat">
        <button
          type="button"
          class="button quiet icon history-toggle"
          aria-label={isHistoryOpen ? "Hide the answers of this browser" : "Show the answers of this browser"}
          aria-expanded={isHistoryOpen}
          onClick={() => setHistoryOpen(!isHistoryOpen)}
        >
          <Icon path="M12 7v5l3 2M4.5 9A8 8 0 1 1 4 12M4 5v4h4" />
        </button>
      </Bar>
      <div class="chat" data-history={isHistoryOpen}>
        <History answers={answers} shown={streamId} onShow={() => setHistoryOpen(false)} />
        <main id="main" tabIndex={-1}>
          {streamId === null ? (
            <Welcome onAsk={(prompt) => void ask(prompt)} isAsking={isAsking} />
          ) : (
            <AnswerView
              key={streamId}
              prompt={remembered?.prompt ?? ""}
              reading={shown}
              isRemembered={reading === null && remembered !== undefined}
              service={service}
            />
          )}
          <Composer
            draft={draft}
            onDraft={setDraft}
            onAsk={(prompt) => void ask(prompt)}
            isAsking={isAsking}
            problem={problem}
            isFollowUp={streamId !== null}
          />
        </main>
      </div>
    </>
  );
}

/** Follows the stream, unless all of it is stored already. */
function useReading(
  streamId: string | null,
  remembered: Answer | undefined,
  service: Service | null,
): Reading | null {
  const needed =
    streamId !== null && service !== null && !(remembered !== undefined && isComplete(remembered));
  // A stream stays followed until another is shown: that it ends doesn't change what is drawn.
  const store = useMemo(() => (needed ? service.readings.follow(streamId) : NOTHING), [streamId, service]);
  useEffect(() => {
    if (store === NOTHING || streamId === null) return;
    return () => service?.readings.leave(streamId);
  }, [store]);
  return useStore(store);
}

/** Stores the answer: once a second while it streams, and at once at its end. */
function useRemembering(answers: Answers, remembered: Answer | undefined, reading: Reading | null): void {
  const [timer] = useState(() => new Store<ReturnType<typeof setTimeout> | null>(null));
  const save = (): void => {
    if (reading === null || reading.status.sequence === 0) return;
    if (reading.status.sequence < (remembered?.status?.sequence ?? 0)) return;
    const { streamId, status, pieces } = reading;
    answers.save({
      streamId,
      prompt: remembered?.prompt ?? "",
      askedMs: remembered?.askedMs ?? Date.now(),
      status,
      pieces,
    });
  };
  const state = reading?.status.state;
  useEffect(save, [state, reading?.streamId]);
  useEffect(() => {
    if (timer.value !== null) return;
    timer.set(setTimeout(() => timer.set(null), SAVE_EVERY_MS));
    save();
  }, [reading]);
  useEffect(() => {
    addEventListener("pagehide", save);
    return () => removeEventListener("pagehide", save);
  }, [reading]);
}

/** Chooses the stored answer until the reading has come as far. */
function latest(
  streamId: string | null,
  remembered: Answer | undefined,
  reading: Reading | null,
): Reading | null {
  if (streamId === null || remembered?.status === undefined || remembered.status === null) return reading;
  if (remembered.pieces === null) return reading;
  const kept: Reading = { streamId, status: remembered.status, pieces: remembered.pieces };
  if (reading === null) return kept;
  if (reading.status.sequence >= kept.status.sequence) return reading;
  return { ...kept, status: { ...reading.status, sequence: kept.status.sequence } };
}

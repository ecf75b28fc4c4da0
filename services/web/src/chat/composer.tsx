import { useEffect, useRef } from "preact/hooks";

export function Composer(props: {
  draft: string;
  onDraft: (draft: string) => void;
  onAsk: (prompt: string) => void;
  isAsking: boolean;
  problem: string | null;
  isFollowUp: boolean;
}) {
  const { draft, onDraft, onAsk, isAsking, problem } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const prompt = draft.trim();
  const canAsk = prompt !== "" && !isAsking;

  useEffect(() => {
    // The field grows with its text, up to the height that its style allows.
    if (field.current === null) return;
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight + 2}px`;
  }, [draft]);
  // On a phone the focus would slide a keyboard over the page.
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) field.current?.focus();
  }, []);

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (canAsk) onAsk(prompt);
      }}
    >
      {problem !== null && (
        <p class="notice" data-tone="bad" role="alert">
          {problem}
        </p>
      )}
      <div class="composer-row">
        <label class="visually-hidden" for="prompt">
          Your question
        </label>
        <textarea
          id="prompt"
          class="field"
          ref={field}
          rows={1}
          placeholder={props.isFollowUp ? "Ask something else" : "Ask something"}
          value={draft}
          onInput={(event) => onDraft(event.currentTarget.value)}
          onKeyDown={(event) => {
            // In an input method, Enter chooses a word.
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            if (canAsk) onAsk(prompt);
          }}
        />
        <button type="submit" class="button primary" disabled={!canAsk}>
          {isAsking ? "Asking…" : "Ask"}
        </button>
      </div>
    </form>
  );
}

import { isFinal, isWorthAnother, type Piece, type ReadingStatus } from "../reading/reading.ts";
import { Store } from "../shell/store.ts";

/** An answer as this browser remembers it. */
export interface Answer {
  readonly streamId: string;
  /** The question; empty where it was asked in another browser. */
  readonly prompt: string;
  readonly askedMs: number;
  readonly status: ReadingStatus | null;
  /** Null: they are too long to be kept, and are read again. */
  readonly pieces: readonly Piece[] | null;
}

const PREFIX = "sluice.answer.";
const MAX_ANSWERS = 60;
// Local storage holds some 5 million characters for all.
const MAX_CHARACTERS = 200_000;

/** Answers, newest first. They are kept in local storage, so all tabs have the same and a reload shows them at once. */
export class Answers {
  readonly all = new Store<readonly Answer[]>([]);

  constructor() {
    this.#load();
    addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(PREFIX)) this.#load();
    });
  }

  find(streamId: string): Answer | undefined {
    return this.all.value.find((answer) => answer.streamId === streamId);
  }

  /** Stores an answer, unless it is already stored with its end. */
  save(answer: Answer): void {
    const known = this.find(answer.streamId);
    if (known !== undefined && isComplete(known)) return;
    const whole = JSON.stringify(answer);
    const text = whole.length <= MAX_CHARACTERS ? whole : JSON.stringify({ ...answer, pieces: null });
    this.#write(PREFIX + answer.streamId, text);
    this.#load();
  }

  forget(streamId: string): void {
    localStorage.removeItem(PREFIX + streamId);
    this.#load();
  }

  #write(key: string, text: string): void {
    // When the storage is full, the oldest answers make room, one by one.
    for (let attempts = 0; attempts <= MAX_ANSWERS; attempts++) {
      try {
        localStorage.setItem(key, text);
        return;
      } catch {
        const oldest = this.all.value.at(-1);
        if (oldest === undefined) return;
        this.forget(oldest.streamId);
      }
    }
  }

  #load(): void {
    const keys = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index) ?? "");
    const found = keys
      .filter((key) => key.startsWith(PREFIX))
      .flatMap((key) => parseAnswer(localStorage.getItem(key)))
      .toSorted((left, right) => right.askedMs - left.askedMs);
    for (const answer of found.slice(MAX_ANSWERS)) localStorage.removeItem(PREFIX + answer.streamId);
    this.all.set(found.slice(0, MAX_ANSWERS));
  }
}

/** Whether nothing more will come, and all of it is here. */
export function isComplete({ status, pieces }: Answer): boolean {
  return status !== null && isFinal(status.state) && !isWorthAnother(status.state) && pieces !== null;
}

function parseAnswer(text: string | null): Answer[] {
  try {
    return [JSON.parse(text ?? "") as Answer];
  } catch {
    return [];
  }
}

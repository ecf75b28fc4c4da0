import type { EndStatus } from "@sluice/core";

/** Storage for `persist`, such as `sessionStorage` and `localStorage`. Its methods may throw: nothing is kept then. */
export interface StorageLike {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** State of a text that a page needs to go on with after a reload. */
export interface Remembered {
  cursor: number;
  /** The text up to the cursor. */
  text: string;
  /** Whether there was a gap before the cursor. */
  hasGaps: boolean;
  /** How the stream ended; null: it ended, but not known how; undefined: it hasn't ended. */
  end: EndStatus | null | undefined;
}

// A page can store about 5 MB in all. A longer text is read again from its beginning.
const MAX_CHARACTERS = 1024 * 1024;
// After a crash of the page, at most the text of this time is read once more.
const SAVE_EVERY_MS = 250;

/** Stores texts and their positions: every 250 ms, at the end of a stream, and when the page goes away. */
export class Memory {
  readonly #storage: StorageLike;
  readonly #unsaved = new Map<string, Remembered>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(storage: StorageLike) {
    this.#storage = storage;
    (globalThis as { addEventListener?: (type: string, listener: () => void) => void }).addEventListener?.(
      "pagehide",
      () => this.flush(),
    );
  }

  recall(streamId: string): Remembered | null {
    try {
      const remembered = JSON.parse(this.#storage.getItem(keyOf(streamId)) ?? "null") as Remembered | null;
      return typeof remembered?.text === "string" ? remembered : null;
    } catch {
      return null;
    }
  }

  /** @param remembered read when it is saved, as it is then */
  note(streamId: string, remembered: Remembered): void {
    this.#unsaved.set(streamId, remembered);
    this.#timer ??= setTimeout(() => this.flush(), SAVE_EVERY_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [streamId, remembered] of this.#unsaved) this.#save(streamId, remembered);
    this.#unsaved.clear();
  }

  forget(streamId: string): void {
    this.#unsaved.delete(streamId);
    try {
      this.#storage.removeItem(keyOf(streamId));
    } catch {
      // A storage that may not be used holds nothing.
    }
  }

  #save(streamId: string, remembered: Remembered): void {
    // The older copy must go, even if the new one can't be stored: it would bring back an older end.
    this.forget(streamId);
    if (remembered.text.length > MAX_CHARACTERS) return;
    try {
      this.#storage.setItem(keyOf(streamId), JSON.stringify(remembered));
    } catch {
      // The storage is full. Texts of other streams can be read again, so they make room.
      const others = Object.keys(this.#storage).filter((key) => key.startsWith(keyOf("")));
      for (const key of others) this.#storage.removeItem(key);
      if (others.length > 0) this.#save(streamId, remembered);
    }
  }
}

const keyOf = (streamId: string): string => `sluice:${streamId}`;

/** @param persist true: the tab's own storage, if there is one and it may be used */
export function openMemory(persist: StorageLike | boolean | undefined): Memory | null {
  if (typeof persist === "object") return new Memory(persist);
  if (persist !== true) return null;
  try {
    const storage = globalThis.sessionStorage;
    // Throws where there is no storage, or it may not be used.
    storage.getItem("");
    return new Memory(storage);
  } catch {
    return null;
  }
}

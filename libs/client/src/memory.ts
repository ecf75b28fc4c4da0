import type { EndStatus } from "@sluice/core";

/** What `sessionStorage` and `localStorage` are. */
export interface StorageLike {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** What a page must find again to go on after it was loaded anew. */
export interface Remembered {
  cursor: number;
  /** The text up to there. */
  text: string;
  /** There was a gap before the cursor. */
  hasGaps: boolean;
  /** Not undefined: it has ended, and nothing needs to be asked any more. */
  end: EndStatus | null | undefined;
}

// Pages have about 5 MB for all they store. A longer text is read again from its beginning.
const MAX_CHARACTERS = 1024 * 1024;
// What a crash of the page may cost: this much is read once more.
const SAVE_EVERY_MS = 250;

/** Keeps texts, and how far they were read, in a storage: from time to time, at the end, and as the page goes away. */
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
      // Storage that is forbidden holds nothing.
    }
  }

  #save(streamId: string, remembered: Remembered): void {
    // An older position would go with an older text, so both must go.
    this.forget(streamId);
    if (remembered.text.length > MAX_CHARACTERS) return;
    try {
      this.#storage.setItem(keyOf(streamId), JSON.stringify(remembered));
    } catch {
      // Full: of what is stored, the other streams' texts can be had again.
      const others = Object.keys(this.#storage).filter((key) => key.startsWith(keyOf("")));
      for (const key of others) this.#storage.removeItem(key);
      if (others.length > 0) this.#save(streamId, remembered);
    }
  }
}

const keyOf = (streamId: string): string => `sluice:${streamId}`;

/** @param persist true: this tab's own storage, where it has one and may use it */
export function openMemory(persist: StorageLike | boolean | undefined): Memory | null {
  if (typeof persist === "object") return new Memory(persist);
  if (persist !== true) return null;
  try {
    const storage = globalThis.sessionStorage;
    // Throws where there is none, or none may be used.
    storage.getItem("");
    return new Memory(storage);
  } catch {
    return null;
  }
}

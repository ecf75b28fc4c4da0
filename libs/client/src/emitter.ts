/** Listeners by event. A listener that throws is reported as an uncaught error, and keeps nothing from the others. */
export class Emitter<Events extends Record<string, unknown>> {
  readonly #listeners: { [Type in keyof Events]?: Set<(value: Events[Type]) => void> } = {};

  /** Adds a listener; the same one counts once per event. @returns a function that removes it */
  on<Type extends keyof Events>(type: Type, listener: (value: Events[Type]) => void): () => void {
    const listeners = (this.#listeners[type] ??= new Set());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  emit<Type extends keyof Events>(type: Type, value: Events[Type]): void {
    for (const listener of this.#listeners[type] ?? []) {
      try {
        listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

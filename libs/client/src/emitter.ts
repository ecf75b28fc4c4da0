/** Listeners by event. One that throws is reported as an uncaught error, and keeps nothing from the others. */
export class Emitter<Events extends Record<string, unknown>> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /** The same listener counts once, as everywhere. @returns takes it off again */
  on<Type extends keyof Events>(type: Type, listener: (value: Events[Type]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  emit<Type extends keyof Events>(type: Type, value: Events[Type]): void {
    for (const listener of this.#listeners.get(type) ?? []) {
      try {
        (listener as (value: Events[Type]) => void)(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** A library's stream, or the request that will answer with one. */
export type Source<Item> =
  | AsyncIterable<Item>
  | ReadableStream<Item>
  | PromiseLike<AsyncIterable<Item> | ReadableStream<Item>>;

type Opened<Item> = Awaited<Source<Item>>;

interface Reading<Item> {
  /** @throws AbortError where the source ended because somebody else hung up on it */
  next(): Promise<IteratorResult<Item, unknown>>;
  /** Frees what the source holds, also while `next` waits. */
  hangUp(reason: unknown): Promise<unknown> | undefined;
}

/**
 * Reads a source to its end, item by item as they are asked for. Breaking off hangs up on it; so does the signal, at once
 * and without waiting for a source that doesn't hear.
 * @throws what the source throws; the signal's reason
 */
export async function* readSource<Item>(
  source: Promise<Opened<Item>>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item, void, undefined> {
  let interrupt: ((reason: unknown) => void) | undefined;
  /** A race that leaves nothing behind on the signal, however many items there are. */
  const interruptible = <T>(promise: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      interrupt = reject;
      promise.then(resolve, reject);
      if (signal?.aborted === true) reject(abortReason(signal));
    });
  const onAbort = (): void => interrupt?.(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });

  let reading: Reading<Item> | undefined;
  let isOver = false;
  try {
    reading = openReading(await interruptible(source));
    for (;;) {
      const { done, value } = await interruptible(reading.next());
      if (done === true) break;
      yield value;
    }
    isOver = true;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    // Not awaited: an iterator that waits for its server returns only once that has spoken.
    if (!isOver) hangUp(reading, source, signal?.reason);
  }
}

function hangUp<Item>(
  reading: Reading<Item> | undefined,
  source: Promise<Opened<Item>>,
  reason: unknown,
): void {
  const hungUp =
    reading === undefined
      ? source.then((opened) => openReading(opened).hangUp(reason))
      : Promise.resolve(reading.hangUp(reason));
  hungUp.catch(() => undefined);
}

function openReading<Item>(source: Opened<Item>): Reading<Item> {
  if ("getReader" in source) {
    const reader = source.getReader();
    return { next: () => reader.read(), hangUp: (reason) => reader.cancel(reason) };
  }
  const controller = controllerOf(source);
  const iterator = source[Symbol.asyncIterator]();
  return {
    next: async () => {
      const result = await iterator.next();
      // Of a request that was aborted the official libraries' streams just end.
      if (result.done === true) controller?.signal.throwIfAborted();
      return result;
    },
    hangUp: () => {
      controller?.abort();
      return iterator.return?.();
    },
  };
}

/** The streams of OpenAI's and Anthropic's libraries hold that of their request. */
function controllerOf(source: unknown): AbortController | undefined {
  const { controller } = (source ?? {}) as { controller?: unknown };
  return controller instanceof AbortController ? controller : undefined;
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("aborted", { cause: signal.reason });
}

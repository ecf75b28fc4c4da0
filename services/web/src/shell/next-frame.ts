// While nobody sees a page, browsers draw no frames: not even one that was asked for before.
const HIDDEN_MS = 250;

/** Runs `work` once: when the next frame is drawn or, where none is, a little later. */
export function atNextFrame(work: () => void): void {
  const run = (): void => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    work();
  };
  const timer = setTimeout(run, HIDDEN_MS);
  const frame = requestAnimationFrame(run);
}

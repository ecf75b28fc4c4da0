const EXAMPLES = [
  "How are chunks numbered?",
  "What happens to a reader when its edge dies?",
  "How does a producer get order and exactly once?",
  "How are many streams carried on one connection?",
];

export function Welcome(props: { onAsk: (prompt: string) => void; isAsking: boolean }) {
  return (
    <section class="welcome" aria-labelledby="welcome-title">
      <h1 id="welcome-title">Ask, then try to break it.</h1>
      <p>
        The answer streams through the log, the cache and an edge to this page. Reload in the middle, go
        offline, open the same address in other tabs, kill the server: every word arrives, once, in order.
      </p>
      <ul role="list" class="examples">
        {EXAMPLES.map((example) => (
          <li key={example}>
            <button type="button" disabled={props.isAsking} onClick={() => props.onAsk(example)}>
              {example}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/**
 * A stream with nothing but the browser: EventSource comes again by itself, and goes on where it was.
 *
 *     <script type="module">
 *       import { follow } from "./event-source.js";
 *       follow("http://127.0.0.1:8080/streams/my-stream/events", (text) => document.body.append(text), console.log);
 *     </script>
 */
export function follow(url, onText, onEnd) {
  const source = new EventSource(url);
  const end = (event) => {
    // The chunk that ends a stream with an error has the name of what EventSource says of connections; those have no data.
    if (event.data === undefined) return;
    source.close();
    onEnd(JSON.parse(event.data));
  };
  source.addEventListener("text", (event) => onText(JSON.parse(event.data).chunk_type.content));
  source.addEventListener("gap", (event) => onText(`[missing: ${event.data}]`));
  for (const name of ["complete", "error", "deleted"]) source.addEventListener(name, end);
  return source;
}

/** What stands in front of a `LogElement` body: together they are the chunk's JSON. */
export function chunkJsonHead(streamId: string, sequence: number): string {
  return `{"stream_id":"${streamId}","sequence":${sequence},`;
}

/** The same for what takes no number. */
export function unnumberedJsonHead(streamId: string): string {
  return `{"stream_id":"${streamId}",`;
}

const TYPE_KEY = '"chunk_type":{"type":"';
const QUOTE = 0x22;

/**
 * The chunk's type, lower-cased: its SSE event name. Read from the fixed place that our encoder gives it, without
 * parsing the JSON.
 */
export function eventNameOf(json: Uint8Array, streamId: string, sequence: number): string {
  const start = chunkJsonHead(streamId, sequence).length + TYPE_KEY.length;
  let end = start;
  while (end < json.byteLength && json[end] !== QUOTE) end++;
  return String.fromCharCode(...json.subarray(start, end)).toLowerCase();
}

/** The same for a body, before it has its head. */
export function eventNameOfBody(body: string): string {
  return body.slice(TYPE_KEY.length, body.indexOf('"', TYPE_KEY.length)).toLowerCase();
}

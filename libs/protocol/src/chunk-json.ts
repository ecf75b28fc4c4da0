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
/** What a letter's code has in lower case only. */
const LOWER_CASE = 0x20;

/**
 * The chunk's type, lower-cased: its SSE event name. Read from the fixed place that our encoder gives it, without
 * parsing the JSON.
 */
export function eventNameOf(json: Uint8Array, streamId: string, sequence: number): string {
  const start = chunkJsonHead(streamId, sequence).length + TYPE_KEY.length;
  let name = "";
  for (let at = start; at < json.byteLength && json[at] !== QUOTE; at++) {
    name += String.fromCharCode((json[at] ?? 0) | LOWER_CASE);
  }
  return name;
}

/** The same for a body, before it has its head. */
export function eventNameOfBody(body: string): string {
  return body.slice(TYPE_KEY.length, body.indexOf('"', TYPE_KEY.length)).toLowerCase();
}

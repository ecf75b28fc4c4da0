const decimal = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function formatCount(value: number): string {
  return decimal.format(value);
}

/** Formats a number in at most five characters, for axes and tiles. */
export function formatShort(value: number): string {
  return Math.abs(value) < 10
    ? fine.format(value)
    : Math.abs(value) < 10_000
      ? decimal.format(value)
      : short.format(value);
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value < 10 && unit > 0 ? fine.format(value) : decimal.format(value)} ${units[unit]}`;
}

export function formatMs(ms: number): string {
  if (ms < 1) return ms <= 0 ? "0 ms" : "<1 ms";
  if (ms < 1000) return `${decimal.format(ms)} ms`;
  if (ms < 60_000) return `${fine.format(ms / 1000)} s`;
  return formatDuration(ms);
}

/** Formats a duration in its two largest units: `3 h 12 min`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes > 0)
    return seconds % 60 > 0 && minutes < 10 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  return `${seconds} s`;
}

export function formatAgo(thenMs: number, nowMs: number): string {
  const ms = nowMs - thenMs;
  // The largest unit is enough: `3 h ago`.
  const [amount, unit] = formatDuration(ms).split(" ");
  return ms < 2_000 ? "now" : `${amount} ${unit} ago`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

export function formatTime(ms: number, nowMs: number): string {
  return new Date(ms).toDateString() === new Date(nowMs).toDateString()
    ? clock.format(ms)
    : dayAndClock.format(ms);
}

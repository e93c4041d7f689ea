/** Quantities as people read them. Inputs in base units: seconds, bytes, bits per second, 0 to 1. */

export const NOTHING = '–';

/** 93 s -> "1 min 33 s", 8000 s -> "2 h 13 min", 200000 s -> "2 d 7 h". */
export function duration(seconds: number | null): string {
  if (seconds === null) return NOTHING;
  const whole = Math.max(0, Math.round(seconds));
  const units: [number, string][] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const first = units.findIndex(([size]) => whole >= size);
  if (first === -1) return '0 s';
  const parts: string[] = [];
  let rest = whole;
  for (const [size, unit] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${String(count)} ${unit}`);
  }
  return parts.join(' ');
}

export function bytes(value: number | null): string {
  return scaled(value, ['B', 'kB', 'MB', 'GB', 'TB']);
}

export function bitrate(value: number | null): string {
  return scaled(value, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']);
}

function scaled(value: number | null, units: readonly string[]): string {
  if (value === null) return NOTHING;
  let scaled = value;
  let unit = 0;
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${digits(scaled)} ${units[unit] ?? ''}`;
}

/** 0 to 1 -> "2.4 %". */
export function share(value: number | null): string {
  return value === null ? NOTHING : `${digits(value * 100)} %`;
}

export function percent(value: number | null): string {
  return value === null ? NOTHING : `${digits(value)} %`;
}

export function milliseconds(value: number | null): string {
  return value === null ? NOTHING : `${digits(value)} ms`;
}

export function count(value: number | null): string {
  // Half of one is 0.5 also on the scale of a chart.
  return value === null ? NOTHING : Number(value.toFixed(1)).toLocaleString();
}

/** Three significant digits, and no more than make sense. */
function digits(value: number): string {
  const places =
    Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(places).replace(/\.?0+$/, (end) => (places === 0 ? end : ''));
}

export function dateTime(at: number | null): string {
  return at === null
    ? NOTHING
    : new Date(at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
}

export function clock(at: number, seconds = false): string {
  return new Date(at).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    ...(seconds ? { second: '2-digit' } : {}),
  });
}

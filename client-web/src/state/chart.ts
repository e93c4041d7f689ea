/** Lines of a chart as pure arithmetic: values in, places in pixels out. */

export interface Point {
  /** Unix milliseconds. */
  at: number;
  /** `null` where nothing was measured: the line has a hole there. */
  value: number | null;
}

export interface Series {
  name: string;
  points: readonly Point[];
}

export interface Frame {
  /** The plot's edges in pixels, inside the axes' labels. */
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface Scale {
  from: number;
  until: number;
  /** The top of the plot; its foot is always 0, so that heights may be compared. */
  most: number;
}

export function scaleOf(series: readonly Series[], least: number): Scale {
  const points = series.flatMap((one) => one.points);
  const times = points.map((point) => point.at);
  const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
  const from = times.reduce((a, b) => Math.min(a, b), Infinity);
  const until = times.reduce((a, b) => Math.max(a, b), -Infinity);
  const most = niceTop(values.reduce((a, b) => Math.max(a, b), least));
  return from > until
    ? { from: 0, until: 1, most }
    : { from, until: Math.max(until, from + 1), most };
}

/** The next 1, 2, 4 or 6 times a power of ten, so that its half is a number one can say, and of things whole. */
export function niceTop(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 6, 10].find((factor) => factor * power >= value) ?? 10;
  return step * power;
}

export function ticks(most: number): number[] {
  return [0, most / 2, most];
}

export function place({ at, value }: { at: number; value: number }, scale: Scale, frame: Frame) {
  const across = (at - scale.from) / (scale.until - scale.from);
  const up = Math.min(1, value / scale.most);
  return {
    x: frame.left + across * (frame.right - frame.left),
    y: frame.bottom - up * (frame.bottom - frame.top),
  };
}

/** A mark of time needs so many pixels, with the air around it. */
const MARK_PX = 130;

/** Moments to mark along the foot, evenly, with both ends. */
export function moments(scale: Scale, frame: Frame): number[] {
  const gaps = Math.max(1, Math.floor((frame.right - frame.left) / MARK_PX));
  return Array.from(
    { length: gaps + 1 },
    (_, index) => scale.from + (index / gaps) * (scale.until - scale.from),
  );
}

/** The `d` of an SVG path; a new stroke begins after each hole. `step` keeps a value until the next. */
export function linePath(
  points: readonly Point[],
  scale: Scale,
  frame: Frame,
  step = false,
): string {
  let path = '';
  let drawing = false;
  for (const { at, value } of points) {
    if (value === null) {
      drawing = false;
      continue;
    }
    const { x, y } = place({ at, value }, scale, frame);
    const [right, down] = [x.toFixed(1), y.toFixed(1)];
    if (!drawing) path += `M${right} ${down}`;
    else path += step ? `H${right}V${down}` : `L${right} ${down}`;
    drawing = true;
  }
  return path;
}

/** The measurement nearest to a place on the plot. */
export function nearest(points: readonly Point[], x: number, scale: Scale, frame: Frame): number {
  const at =
    scale.from + ((x - frame.left) / (frame.right - frame.left)) * (scale.until - scale.from);
  let best = 0;
  points.forEach((point, index) => {
    if (Math.abs(point.at - at) < Math.abs((points[best]?.at ?? Infinity) - at)) best = index;
  });
  return best;
}

/** "from 20 % to 70 %, last 34 %": a line for those who do not see it. */
export function inWords(points: readonly Point[], format: (value: number) => string): string {
  const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
  const last = values.at(-1);
  if (last === undefined) return 'no measurements';
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  return `from ${format(least)} to ${format(most)}, last ${format(last)}`;
}

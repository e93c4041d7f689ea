import { useId, useRef, useState } from 'react';
import {
  inWords,
  linePath,
  moments,
  nearest,
  place,
  scaleOf,
  ticks,
  type Frame,
  type Series,
} from '../state/chart';
import { clock } from '../state/measures';
import { useBox } from '../ui/useBox';
import { ChartTable } from './ChartTable';

interface LineChartProps {
  title: string;
  series: readonly Series[];
  format: (value: number) => string;
  /** The top is never lower: a quiet hour must not look like a storm. */
  least?: number;
  /** Words in place of numbers at the side, for values that are grades. */
  grades?: readonly string[];
}

const HEIGHT = 168;
/** Where nothing has been measured yet, as in the moment before the first layout. */
const WIDTH = 560;
/** Of a shorter time, minutes do not tell one end from the other. */
const SECONDS_BELOW_MS = 5 * 60_000;

/**
 * Lines over time, drawn in real pixels. Strokes differ in dashes, not in colour alone. Where one points, or where the
 * arrow keys have gone, the values are said; the picture has a sentence and a table for who does not see it.
 */
export function LineChart({ title, series, format, least = 1, grades }: LineChartProps) {
  const ref = useRef<HTMLDivElement>(null);
  const width = useBox(ref).width || WIDTH;
  const id = useId();
  const [under, setUnder] = useState<number>();
  const scale = grades
    ? { ...scaleOf(series, 1), most: grades.length - 1 }
    : scaleOf(series, least);
  const frame: Frame = { left: 76, right: width - 12, top: 12, bottom: HEIGHT - 26 };
  const marks = grades ? grades.map((_, index) => index) : ticks(scale.most);
  const label = (value: number) => grades?.[value] ?? format(value);
  const measured = series[0]?.points ?? [];
  const empty = !series.some((one) => one.points.some(({ value }) => value !== null));
  const last = measured.length - 1;
  const at = under === undefined ? undefined : measured[under]?.at;
  const seconds = scale.until - scale.from < SECONDS_BELOW_MS;

  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption id={id}>
        <span>{title}</span>
        <Readout series={series} index={under ?? last} label={label} at={at} />
      </figcaption>
      <div ref={ref} className="chart-plot">
        {empty ? (
          <p className="empty">Nothing measured yet.</p>
        ) : (
          <>
            <input
              type="range"
              className="chart-keys"
              aria-label={`${title}: moment`}
              aria-valuetext={momentInWords(series, under ?? last, label)}
              min={0}
              max={last}
              value={under ?? last}
              onChange={(event) => {
                setUnder(event.target.valueAsNumber);
              }}
              onBlur={() => {
                setUnder(undefined);
              }}
            />
            <svg
              width={width}
              height={HEIGHT}
              role="img"
              aria-label={series
                .map((one) => `${one.name}: ${inWords(one.points, label)}`)
                .join('; ')}
              onPointerMove={(event) => {
                const { left } = event.currentTarget.getBoundingClientRect();
                setUnder(nearest(measured, event.clientX - left, scale, frame));
              }}
              onPointerLeave={() => {
                setUnder(undefined);
              }}
            >
              {marks.map((value) => {
                const { y } = place({ at: scale.from, value }, scale, frame);
                return (
                  <g key={value}>
                    <line className="chart-grid" x1={frame.left} x2={frame.right} y1={y} y2={y} />
                    <text className="chart-label" x={frame.left - 8} y={y + 4} textAnchor="end">
                      {label(value)}
                    </text>
                  </g>
                );
              })}
              {moments(scale, frame).map((moment, index, all) => {
                const { x } = place({ at: moment, value: 0 }, scale, frame);
                return (
                  <g key={moment}>
                    <line
                      className="chart-grid"
                      x1={x}
                      x2={x}
                      y1={frame.bottom}
                      y2={frame.bottom + 4}
                    />
                    <text
                      className="chart-label"
                      x={x}
                      y={HEIGHT - 6}
                      textAnchor={
                        index === 0 ? 'start' : index === all.length - 1 ? 'end' : 'middle'
                      }
                    >
                      {clock(moment, seconds)}
                    </text>
                  </g>
                );
              })}
              {at !== undefined && (
                <line
                  className="chart-cursor"
                  x1={place({ at, value: 0 }, scale, frame).x}
                  x2={place({ at, value: 0 }, scale, frame).x}
                  y1={frame.top}
                  y2={frame.bottom}
                />
              )}
              {series.map((one, index) => (
                <path
                  key={one.name}
                  className={`chart-line chart-line-${String(index)}`}
                  d={linePath(one.points, scale, frame, grades !== undefined)}
                />
              ))}
            </svg>
          </>
        )}
      </div>
      {!empty && <ChartTable title={title} series={series} format={label} />}
    </figure>
  );
}

/** "05:26:10, Round trip 10 ms, Jitter 9 ms": what is heard while one goes along. */
function momentInWords(
  series: readonly Series[],
  index: number,
  label: (value: number) => string,
): string {
  const at = series[0]?.points[index]?.at;
  const values = series.map(({ name, points }) => {
    const value = points[index]?.value ?? null;
    return `${name} ${value === null ? 'not measured' : label(value)}`;
  });
  return [at === undefined ? '' : clock(at, true), ...values].filter(Boolean).join(', ');
}

interface ReadoutProps {
  series: readonly Series[];
  index: number;
  label: (value: number) => string;
  at: number | undefined;
}

/** What the lines are called, and their values where one points, or now. */
function Readout({ series, index, label, at }: ReadoutProps) {
  return (
    <span className="chart-readout">
      {at !== undefined && <span>{clock(at, true)}</span>}
      {series.map((one, which) => {
        const value = one.points[index]?.value;
        return (
          <span key={one.name}>
            {series.length > 1 && (
              <>
                <svg className="chart-key" width="22" height="8" aria-hidden="true">
                  <path className={`chart-line chart-line-${String(which)}`} d="M1 4H21" />
                </svg>
                {one.name}{' '}
              </>
            )}
            {value !== undefined && value !== null && <strong>{label(value)}</strong>}
          </span>
        );
      })}
    </span>
  );
}

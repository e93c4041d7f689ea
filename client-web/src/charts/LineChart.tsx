import { useId, useRef, useState } from 'react';
import {
  inWords,
  linePath,
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

/** Lines over time, drawn in real pixels. Strokes differ in dashes, not in colour alone. */
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
  const at = under === undefined ? undefined : measured[under]?.at;

  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption id={id}>
        <span>{title}</span>
        <Readout series={series} index={under ?? measured.length - 1} label={label} at={at} />
      </figcaption>
      <div ref={ref} className="chart-plot">
        {empty ? (
          <p className="empty">Nothing measured yet.</p>
        ) : (
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
            <text className="chart-label" x={frame.left} y={HEIGHT - 6}>
              {clock(scale.from)}
            </text>
            <text className="chart-label" x={frame.right} y={HEIGHT - 6} textAnchor="end">
              {clock(scale.until)}
            </text>
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
        )}
      </div>
      {!empty && <ChartTable title={title} series={series} format={label} />}
    </figure>
  );
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

import { useState } from 'react';
import type { Series } from '../state/chart';
import { clock, NOTHING } from '../state/measures';

interface ChartTableProps {
  title: string;
  series: readonly Series[];
  format: (value: number) => string;
}

/** The same figures for who reads rather than looks. Made only when it is unfolded. */
export function ChartTable({ title, series, format }: ChartTableProps) {
  const [open, setOpen] = useState(false);
  const points = series[0]?.points ?? [];
  return (
    <details
      className="chart-table"
      onToggle={(event) => {
        setOpen(event.currentTarget.open);
      }}
    >
      <summary>
        As a table<span className="visually-hidden">: {title}</span>
      </summary>
      {open && (
        // Focusable because it scrolls.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        <div className="table-scroll" role="group" aria-label={title} tabIndex={0}>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Time</th>
                {series.map((one) => (
                  <th key={one.name} scope="col">
                    {one.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {points.map((point, index) => (
                <tr key={point.at}>
                  <th scope="row">{clock(point.at, true)}</th>
                  {series.map((one) => {
                    const value = one.points[index]?.value ?? null;
                    return <td key={one.name}>{value === null ? NOTHING : format(value)}</td>;
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

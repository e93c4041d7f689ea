import type { Key, ReactNode } from 'react';
import { NOTHING } from '../state/measures';

export interface Column<Row> {
  /** What stands above it; on a phone, beside each value. */
  title: string;
  /** Nothing to say is `undefined` or empty. */
  cell: (row: Row) => ReactNode;
}

interface TableProps<Row> {
  /** What is listed, for those who do not see where it stands. */
  caption: string;
  /** What a row is of. */
  name: Column<Row>;
  columns: readonly Column<Row>[];
  /** What can be done with a row. */
  actions?: (row: Row) => ReactNode;
  rows: readonly Row[];
  idOf: (row: Row) => Key;
  /** `data-` attributes of a row, by which tests find it. */
  data: (row: Row) => Record<`data-${string}`, string | number>;
}

/** Rows under columns. A phone has no room for these: there each row is a card whose lines say what they are. */
export function Table<Row>(props: TableProps<Row>) {
  const { caption, name, columns, actions, rows, idOf, data } = props;
  return (
    // Focusable because it scrolls.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="table-frame" role="group" aria-label={caption} tabIndex={0}>
      <table className="table table-cards">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {[name, ...columns].map(({ title }) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
            {actions && (
              <th scope="col">
                <span className="visually-hidden">Actions</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={idOf(row)} {...data(row)}>
              <th scope="row">{name.cell(row)}</th>
              {columns.map(({ title, cell }) => (
                <Cell key={title} title={title}>
                  {cell(row)}
                </Cell>
              ))}
              {actions && <td className="table-actions">{actions(row)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell({ title, children }: { title: string; children: ReactNode }) {
  const none =
    children === undefined || children === null || children === '' || children === NOTHING;
  return (
    <td data-label={title} className={none ? 'table-none' : undefined}>
      {none ? NOTHING : children}
    </td>
  );
}

import type { CSSProperties } from 'react';
import { share } from '../state/measures';

export interface Part {
  name: string;
  count: number;
  tone: 'best' | 'good' | 'fair' | 'poor';
}

/** How a whole is divided: one bar, and each part in words with its number. */
export function Distribution({ title, parts }: { title: string; parts: readonly Part[] }) {
  const all = parts.reduce((sum, part) => sum + part.count, 0);
  return (
    <figure className="chart">
      <figcaption>
        <span>{title}</span>
      </figcaption>
      {all === 0 ? (
        <p className="empty">Nobody is connected.</p>
      ) : (
        <div className="distribution" aria-hidden="true">
          {parts.map(({ name, count, tone }) => (
            <span
              key={name}
              className={`distribution-${tone}`}
              style={{ '--share': count } as CSSProperties}
              hidden={count === 0}
            />
          ))}
        </div>
      )}
      <dl className="facts">
        {parts.map(({ name, count, tone }) => (
          <div key={name}>
            <dt>
              <span className={`swatch distribution-${tone}`} aria-hidden="true" />
              {name}
            </dt>
            <dd>
              {count}
              {all > 0 && <span className="facts-extra"> {share(count / all)}</span>}
            </dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}

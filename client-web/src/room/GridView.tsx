import { useRef, type CSSProperties, type ReactNode } from 'react';
import { gridLayout, pageCapacity } from '../state/layout';
import { IconButton } from '../ui/IconButton';
import { useBox } from '../ui/useBox';

const GAP = 8;

interface GridViewProps {
  count: number;
  page: number;
  pages: number;
  onPage: (step: 1 | -1) => void;
  children: ReactNode;
}

/** Tiles as large as they fit. Only measures and places; who is shown is the caller's business. */
export function GridView({ count, page, pages, onPage, children }: GridViewProps) {
  const ref = useRef<HTMLDivElement>(null);
  const box = useBox(ref);
  const { tileWidth, tileHeight } = gridLayout(count, box, GAP);
  const style = {
    '--tile-width': `${String(tileWidth)}px`,
    '--tile-height': `${String(tileHeight)}px`,
    gap: GAP,
  } as CSSProperties;
  return (
    <div className="grid-frame" data-testid="layout-grid">
      <div ref={ref} className="grid" style={style}>
        {children}
      </div>
      {pages > 1 && (
        <nav className="pager" aria-label="Pages of people">
          <IconButton
            icon="chevronLeft"
            label="Previous page"
            disabled={page <= 1}
            onClick={() => {
              onPage(-1);
            }}
          />
          <span aria-live="polite">
            {page} / {pages}
          </span>
          <IconButton
            icon="chevronRight"
            label="Next page"
            disabled={page >= pages}
            onClick={() => {
              onPage(1);
            }}
          />
        </nav>
      )}
    </div>
  );
}

/** How many tiles one page takes in the current window; the panel and bars are accounted for roughly. */
export function capacityOfWindow(): number {
  return pageCapacity({ width: window.innerWidth, height: window.innerHeight - 150 });
}

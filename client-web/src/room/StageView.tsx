import type { ReactNode } from 'react';

/** One large tile and a strip of small ones: beside it on wide screens, below it on phones (CSS). */
export function StageView({ main, strip }: { main: ReactNode; strip: readonly ReactNode[] }) {
  return (
    <div className="stage" data-testid="layout-stage">
      <div className="stage-main">{main}</div>
      {strip.length > 0 && (
        // Focusable because it scrolls: keyboards must reach the far end.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        <div className="stage-strip" role="group" aria-label="Other people" tabIndex={0}>
          {strip}
        </div>
      )}
    </div>
  );
}

import { isDenied } from '../api/errors';
import type { Explanation } from '../api/types';
import { linkFacts, pictureFacts, pictureIn, reasonInWords, type Fact } from '../state/picture';
import { SidePanel } from './SidePanel';
import type { Polled } from '../ui/usePolled';

interface PicturePanelProps {
  /** Whose picture, as its tile says it. */
  caption: string;
  pictureKey: string;
  report: Polled<Explanation>;
  onClose: () => void;
}

/** The answer to "why is this blurry?": one sentence, then the figures behind it. */
export function PicturePanel({ caption, pictureKey, report, onClose }: PicturePanelProps) {
  const explanation = report.status === 'ready' ? report.value : undefined;
  const track = explanation && pictureIn(explanation, pictureKey);
  return (
    <SidePanel title="Picture details" onClose={onClose}>
      {/* Focusable because it scrolls. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="picture" role="group" aria-label={caption} tabIndex={0}>
        <h3>{caption}</h3>
        {/* Only the sentence is announced when it changes; figures change all the time. */}
        <p role="status" className="picture-reason" data-reason={track?.reason}>
          {headline(report, track && reasonInWords(track))}
        </p>
        {track && <Facts title="This picture" facts={pictureFacts(track)} />}
        {explanation && <Facts title="Your connection" facts={linkFacts(explanation)} />}
      </div>
    </SidePanel>
  );
}

const SILENT = 'The server does not say right now. Trying again.';

function headline(report: Polled<unknown>, reason: string | undefined): string {
  switch (report.status) {
    case 'waiting':
      return 'Asking the server…';
    case 'failed':
      return isDenied(report.error) ? 'The server does not tell you.' : SILENT;
    case 'ready':
      // The figures may be of a moment ago; a reason of then is none.
      if (report.problem !== undefined) return SILENT;
      return reason ?? 'This picture is not sent to you at the moment.';
  }
}

function Facts({ title, facts }: { title: string; facts: readonly Fact[] }) {
  return (
    <section aria-label={title}>
      <h4>{title}</h4>
      <dl className="facts">
        {facts.map(({ label, value }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

import { useEffect, useRef } from 'react';
import { formatElapsed } from '../state/elapsed';
import type { PartProps } from './PlaybackView';
import { linesUntil } from './timeline';

/** What was written until now, its end in sight; what comes later is not given away. */
export function Written({ recording: { chat }, playback: { atMs, seekTo } }: PartProps) {
  const list = useRef<HTMLOListElement>(null);
  const count = linesUntil(chat, atMs);
  useEffect(() => {
    const element = list.current;
    // Only the list moves, not the page.
    element?.scrollTo({ top: element.scrollHeight });
  }, [count]);
  if (chat.length === 0) return null;
  return (
    <section className="playback-chat" aria-labelledby="written-heading">
      <h2 id="written-heading">Chat</h2>
      {count === 0 && <p className="empty">Nothing was written until here.</p>}
      <ol ref={list}>
        {chat.slice(0, count).map((line, index) => (
          <li key={index} data-testid="playback-line">
            <button
              type="button"
              className="playback-when"
              aria-label={`Go to ${formatElapsed(line.atMs)}`}
              onClick={() => {
                seekTo(line.atMs);
              }}
            >
              {formatElapsed(line.atMs)}
            </button>{' '}
            <strong>{line.name}</strong> {line.text}
          </li>
        ))}
      </ol>
    </section>
  );
}

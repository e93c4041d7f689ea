export type Quality = 'excellent' | 'good' | 'poor' | 'lost' | 'unknown';

const LIT: Record<Quality, number> = { excellent: 3, good: 2, poor: 1, lost: 0, unknown: 3 };
const WORDS: Record<Quality, string> = {
  excellent: 'Connection is excellent',
  good: 'Connection is good',
  poor: 'Connection is poor',
  lost: 'Connection lost',
  unknown: '',
};

/** Three bars; nothing while we do not know. Colour only when it matters. */
export function QualityBars({ quality }: { quality: Quality }) {
  if (quality === 'unknown') return null;
  return (
    <span
      className={`quality quality-${quality}`}
      role="img"
      aria-label={WORDS[quality]}
      title={WORDS[quality]}
    >
      {[1, 2, 3].map((bar) => (
        <span key={bar} data-lit={bar <= LIT[quality]} />
      ))}
    </span>
  );
}

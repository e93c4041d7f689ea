/** Something is on its way; said only when it takes longer than one notices. */
export function Opening({ text }: { text: string }) {
  return (
    <p className="waiting" role="status">
      <span className="spinner" aria-hidden="true" /> {text}
    </p>
  );
}

/** A sentence of the document; what stands between backticks is code. */
export function Words({ text }: { text: string }) {
  return text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
}

/** Several sentences: an empty line begins a paragraph, the ends of other lines mean nothing. */
export function Prose({ text }: { text: string }) {
  return text.split(/\n\s*\n/).map((paragraph, index) => (
    <p key={index} className="prose">
      <Words text={paragraph} />
    </p>
  ));
}

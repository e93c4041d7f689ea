/** How people are written: initials, colours, a fallback name. */

export function displayName(name: string | undefined, identity: string): string {
  const trimmed = name?.trim() ?? '';
  return trimmed === '' ? identity : trimmed;
}

/** "Ada Lovelace" -> "AL", "ada" -> "A". By grapheme, so that an emoji or an accent stays whole. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = words[0];
  if (first === undefined) return '';
  const last = words.length > 1 ? words[words.length - 1] : undefined;
  return (firstGrapheme(first) + (last === undefined ? '' : firstGrapheme(last))).toUpperCase();
}

/** A hue that stays with the identity, across reloads and screens. */
export function hue(identity: string): number {
  let hash = 0;
  for (const character of identity) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  // The golden angle: identities that differ in one letter get colours that differ at a glance.
  return Math.round(hash * 137.508) % 360;
}

function firstGrapheme(word: string): string {
  const first = new Intl.Segmenter().segment(word)[Symbol.iterator]().next();
  return first.done === true ? '' : first.value.segment;
}

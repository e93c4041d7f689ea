/** Which key means what to a player, as people know it from others. */
import type { KeyPress } from '../state/shortcuts';

export type PlayerAction =
  | { type: 'toggle' }
  | { type: 'jump'; byMs: number }
  /** In parts of 1. */
  | { type: 'go'; to: number }
  /** One speed up or down. */
  | { type: 'speed'; by: 1 | -1 };

const KEYS: Readonly<Record<string, PlayerAction>> = {
  ' ': { type: 'toggle' },
  k: { type: 'toggle' },
  ArrowLeft: { type: 'jump', byMs: -5000 },
  ArrowRight: { type: 'jump', byMs: 5000 },
  j: { type: 'jump', byMs: -10_000 },
  l: { type: 'jump', byMs: 10_000 },
  Home: { type: 'go', to: 0 },
  End: { type: 'go', to: 1 },
  '<': { type: 'speed', by: -1 },
  '>': { type: 'speed', by: 1 },
};

/** `letters`: whether keys that are letters mean something, which people may turn off. */
export function playerKey(press: KeyPress, letters: boolean): PlayerAction | undefined {
  if (press.ctrlKey || press.metaKey || press.altKey || press.isComposing) return undefined;
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  if (!Object.hasOwn(KEYS, key)) return undefined;
  if (!letters && key.length === 1 && key !== ' ') return undefined;
  if (isForOther(press.target, key)) return undefined;
  const action = KEYS[key];
  // Holding the key must not flutter.
  return press.repeat && action?.type === 'toggle' ? undefined : action;
}

/** A field takes all keys of its own; what can be pressed takes the space bar. */
function isForOther(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof Element)) return false;
  const field =
    'input, textarea, select, video[controls], [contenteditable="true"], [role="menu"], [role="textbox"]';
  if (target.closest(field) !== null) return true;
  return key === ' ' && target.closest('button, a, summary') !== null;
}

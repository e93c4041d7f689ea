/** Which key means what, and when a key press is typing rather than a command. */

export type ShortcutAction =
  'mic' | 'camera' | 'share' | 'hand' | 'chat' | 'people' | 'copy' | 'layout' | 'help' | 'close';

export const SHORTCUTS: readonly { key: string; label: string; action: ShortcutAction }[] = [
  { key: 'm', label: 'Mute or unmute microphone', action: 'mic' },
  { key: 'v', label: 'Camera on or off', action: 'camera' },
  { key: 's', label: 'Share your screen', action: 'share' },
  { key: 'h', label: 'Raise or lower your hand', action: 'hand' },
  { key: 'c', label: 'Open or close chat', action: 'chat' },
  { key: 'p', label: 'Open or close people', action: 'people' },
  { key: 'g', label: 'Switch grid and stage', action: 'layout' },
  { key: 'l', label: 'Copy the invite link', action: 'copy' },
  { key: '?', label: 'Show this help', action: 'help' },
  { key: 'Escape', label: 'Close the open panel', action: 'close' },
];

/** The part of a KeyboardEvent that matters. */
export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
  isComposing: boolean;
  target: EventTarget | null;
}

export function shortcutFor(press: KeyPress): ShortcutAction | undefined {
  if (press.ctrlKey || press.metaKey || press.altKey) return undefined;
  // Holding M must not flutter the microphone; an input method may be composing on any element.
  if (press.repeat || press.isComposing) return undefined;
  const typing = isTyping(press.target);
  if (typing && press.key !== 'Escape') return undefined;
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  return SHORTCUTS.find((shortcut) => shortcut.key === key)?.action;
}

/** Text fields take letters; a focused select or menu jumps to what starts with them. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  return (
    target.closest(
      'input, textarea, select, [contenteditable="true"], [role="textbox"], [role="menu"]',
    ) !== null
  );
}

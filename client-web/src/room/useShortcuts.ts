import { useEffect, useRef } from 'react';
import { shortcutFor, type ShortcutAction } from '../state/shortcuts';
import { preferences } from '../state/preferences';

/** Listens for shortcut keys anywhere on the page, except over an open dialog. */
export function useShortcuts(onAction: (action: ShortcutAction) => void): void {
  const latest = useRef(onAction);
  useEffect(() => {
    latest.current = onAction;
  });
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
      const action = shortcutFor(event);
      if (action === undefined) return;
      // Escape and help stay: they are how one gets out, and how one turns the letters on again.
      if (!preferences.get().shortcuts && action !== 'close' && action !== 'help') return;
      // Otherwise "c" would open the chat and type itself into it.
      event.preventDefault();
      latest.current(action);
    };
    document.addEventListener('keydown', onKeyDown);
    return () => {
      document.removeEventListener('keydown', onKeyDown);
    };
  }, []);
}

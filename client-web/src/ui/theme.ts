/** Puts the chosen theme on <html>; CSS does the rest. `system` means: no attribute, media query decides. */
import { preferences, type Theme } from '../state/preferences';

export const NEXT_THEME: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

export function followTheme(): void {
  apply(preferences.get().theme);
  preferences.subscribe(() => {
    apply(preferences.get().theme);
  });
}

function apply(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

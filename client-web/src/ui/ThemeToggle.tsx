import { IconButton } from './IconButton';
import { NEXT_THEME } from './theme';
import { usePreferences } from './usePreferences';

const ICON = { system: 'system', light: 'sun', dark: 'moon' } as const;

export function ThemeToggle() {
  const [{ theme }, setPreferences] = usePreferences();
  return (
    <IconButton
      icon={ICON[theme]}
      iconSize={20}
      label={`Theme: ${theme}. Switch to ${NEXT_THEME[theme]}`}
      data-testid="theme-toggle"
      onClick={() => {
        setPreferences({ theme: NEXT_THEME[theme] });
      }}
    />
  );
}

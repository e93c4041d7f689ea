import { useSyncExternalStore } from 'react';
import { preferences, type Preferences } from '../state/preferences';

export function usePreferences(): [Preferences, (change: Partial<Preferences>) => void] {
  const value = useSyncExternalStore(preferences.subscribe, preferences.get);
  return [value, setPreferences];
}

function setPreferences(change: Partial<Preferences>): void {
  preferences.set(change);
}

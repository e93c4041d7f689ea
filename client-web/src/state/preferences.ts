/** What this browser remembers between visits: name, devices, theme. One small observable store. */

export type Theme = 'system' | 'light' | 'dark';

export interface Preferences {
  name: string;
  theme: Theme;
  camera: string | undefined;
  microphone: string | undefined;
  speaker: string | undefined;
  /** Single-letter shortcuts can be turned off: speech input types letters nobody meant as commands. */
  shortcuts: boolean;
}

const KEY = 'sluice.preferences';
const DEFAULTS: Preferences = {
  name: '',
  theme: 'system',
  camera: undefined,
  microphone: undefined,
  speaker: undefined,
  shortcuts: true,
};

export class PreferenceStore {
  private value: Preferences;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly storage: Pick<Storage, 'getItem' | 'setItem'> | undefined) {
    this.value = { ...DEFAULTS, ...read(storage) };
  }

  get = (): Preferences => this.value;

  set(change: Partial<Preferences>): void {
    this.value = { ...this.value, ...change };
    try {
      this.storage?.setItem(KEY, JSON.stringify(this.value));
    } catch {
      // A full or forbidden storage costs the memory of a choice, never the call.
    }
    for (const listener of this.listeners) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
}

function read(storage: Pick<Storage, 'getItem'> | undefined): Partial<Preferences> {
  try {
    const parsed: unknown = JSON.parse(storage?.getItem(KEY) ?? '{}');
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

/** Private modes and sandboxed frames throw on the mere mention of storage. */
export function safeStorage(kind: 'localStorage' | 'sessionStorage'): Storage | undefined {
  try {
    return window[kind];
  } catch {
    return undefined;
  }
}

export const preferences = new PreferenceStore(safeStorage('localStorage'));

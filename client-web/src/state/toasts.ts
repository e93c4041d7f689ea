/**
 * Short notices. Joins and leaves that come together become one line ("Ada and 2 others joined"),
 * so that a class filing in is one calm sentence and not thirty.
 */

export type Toast =
  | { id: number; type: 'notice'; tone: 'info' | 'problem'; text: string; until: number }
  | { id: number; type: 'joined' | 'left'; names: string[]; until: number };

export interface ToastState {
  nextId: number;
  toasts: Toast[];
}

export const NO_TOASTS: ToastState = { nextId: 1, toasts: [] };

const LIFETIME_MS = 4000;
/** Problems ask for an action: give people time to read them. */
const PROBLEM_LIFETIME_MS = 9000;
const MOST_AT_ONCE = 3;

export function addNotice(
  state: ToastState,
  text: string,
  now: number,
  tone: 'info' | 'problem' = 'info',
): ToastState {
  const until = now + (tone === 'problem' ? PROBLEM_LIFETIME_MS : LIFETIME_MS);
  const others = state.toasts.filter((toast) => toast.type !== 'notice' || toast.text !== text);
  return push({ ...state, toasts: others }, { type: 'notice', tone, text, until });
}

export function addPresence(
  state: ToastState,
  type: 'joined' | 'left',
  name: string,
  now: number,
): ToastState {
  const until = now + LIFETIME_MS;
  const open = state.toasts.find((toast) => toast.type === type);
  if (open?.type !== type) return push(state, { type, names: [name], until });
  // Somebody who reloads twice is still one person.
  const names = open.names.includes(name) ? open.names : [...open.names, name];
  const merged: Toast = { ...open, names, until };
  return { ...state, toasts: state.toasts.map((toast) => (toast === open ? merged : toast)) };
}

export function expire(state: ToastState, now: number): ToastState {
  const toasts = state.toasts.filter((toast) => toast.until > now);
  return toasts.length === state.toasts.length ? state : { ...state, toasts };
}

export function dismiss(state: ToastState, id: number): ToastState {
  return { ...state, toasts: state.toasts.filter((toast) => toast.id !== id) };
}

export function toastText(toast: Toast): string {
  if (toast.type === 'notice') return toast.text;
  const [first = '', second = ''] = toast.names;
  const who =
    toast.names.length === 1
      ? first
      : toast.names.length === 2
        ? `${first} and ${second}`
        : `${first} and ${String(toast.names.length - 1)} others`;
  return `${who} ${toast.type}`;
}

type Unnumbered = Toast extends infer T ? (T extends Toast ? Omit<T, 'id'> : never) : never;

function push(state: ToastState, toast: Unnumbered): ToastState {
  const numbered = { ...toast, id: state.nextId };
  return { nextId: state.nextId + 1, toasts: [...state.toasts, numbered].slice(-MOST_AT_ONCE) };
}

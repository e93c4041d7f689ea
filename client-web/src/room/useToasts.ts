import { useCallback, useEffect, useMemo, useState } from 'react';
import { addNotice, addPresence, dismiss, expire, NO_TOASTS, type Toast } from '../state/toasts';

export interface ToastControl {
  toasts: readonly Toast[];
  notify: (text: string, tone?: 'info' | 'problem') => void;
  presence: (type: 'joined' | 'left', name: string) => void;
  dismiss: (id: number) => void;
}

export function useToasts(): ToastControl {
  const [state, setState] = useState(NO_TOASTS);
  const waiting = state.toasts.length > 0;
  useEffect(() => {
    if (!waiting) return;
    const timer = window.setInterval(() => {
      setState((old) => expire(old, Date.now()));
    }, 250);
    return () => {
      window.clearInterval(timer);
    };
  }, [waiting]);

  const notify = useCallback((text: string, tone: 'info' | 'problem' = 'info') => {
    setState((old) => addNotice(old, text, Date.now(), tone));
  }, []);
  const presence = useCallback((type: 'joined' | 'left', name: string) => {
    setState((old) => addPresence(old, type, name, Date.now()));
  }, []);
  const drop = useCallback((id: number) => {
    setState((old) => dismiss(old, id));
  }, []);
  return useMemo(
    () => ({ toasts: state.toasts, notify, presence, dismiss: drop }),
    [state.toasts, notify, presence, drop],
  );
}

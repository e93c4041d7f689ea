import { useEffect, useRef, type ReactNode } from 'react';
import { IconButton } from '../ui/IconButton';

interface SidePanelProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** Beside the stage on wide screens, a sheet over it on phones. */
export function SidePanel({ title, onClose, children }: SidePanelProps) {
  const ref = useRef<HTMLElement>(null);
  useEffect(() => {
    // The focus comes back to the control that opened the panel.
    const opener = document.activeElement;
    // On touch screens a focused field brings up the keyboard, over the messages one came to read.
    const autofocus = window.matchMedia('(hover: hover)').matches
      ? ref.current?.querySelector<HTMLElement>('[data-autofocus]')
      : null;
    (autofocus ?? ref.current)?.focus();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <aside className="panel" aria-label={title} ref={ref} tabIndex={-1}>
      <header className="panel-head">
        <h2>{title}</h2>
        <IconButton
          icon="close"
          iconSize={20}
          label={`Close ${title.toLowerCase()}`}
          onClick={onClose}
        />
      </header>
      {children}
    </aside>
  );
}

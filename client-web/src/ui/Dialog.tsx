import { useEffect, useId, useRef, type ReactNode } from 'react';
import { IconButton } from './IconButton';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** The platform's modal: it traps the focus, closes on Escape and gives the focus back by itself. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    // Who is asked for words wants to type, and not to close the question.
    dialog?.querySelector<HTMLElement>('input:not([type="checkbox"]), textarea')?.focus();
    return () => dialog?.close();
  }, []);
  return (
    // The backdrop is part of the dialog element; keyboards close it with Escape.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog
      ref={ref}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-body">
        <header className="dialog-head">
          <h2 id={id}>{title}</h2>
          <IconButton icon="close" label="Close" iconSize={20} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

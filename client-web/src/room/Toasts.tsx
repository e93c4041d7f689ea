import { toastText, type Toast } from '../state/toasts';
import { Icon } from '../ui/Icon';
import { IconButton } from '../ui/IconButton';

export function Toasts({
  toasts,
  onDismiss,
}: {
  toasts: readonly Toast[];
  onDismiss: (id: number) => void;
}) {
  return (
    // Always in the page: screen readers announce changes only in a region they already know.
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map((toast) => {
        const problem = toast.type === 'notice' && toast.tone === 'problem';
        return (
          <div
            key={toast.id}
            className={problem ? 'toast toast-problem' : 'toast'}
            data-testid="toast"
          >
            {problem && <Icon name="warning" size={18} />}
            <span>{toastText(toast)}</span>
            {problem && (
              <IconButton
                icon="close"
                iconSize={16}
                label="Dismiss"
                onClick={() => {
                  onDismiss(toast.id);
                }}
              />
            )}
          </div>
        );
      })}
    </div>
  );
}

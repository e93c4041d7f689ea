import type { Failure } from '../state/failure';
import { Button } from './Button';
import { Icon } from './Icon';

/** A failure that does not stop the page: a device that will not open. */
export function FailureNote({ failure, onRetry }: { failure: Failure; onRetry?: () => void }) {
  return (
    <div className="note note-problem" role="status" data-testid="failure" data-kind={failure.kind}>
      <Icon name="warning" size={20} />
      <div>
        <strong>{failure.title}</strong>
        <p>{failure.advice}</p>
      </div>
      {onRetry && failure.retry !== 'none' && (
        <Button look="quiet" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

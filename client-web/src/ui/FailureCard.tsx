import { useEffect, useRef } from 'react';
import { navigate } from '../app/navigation';
import type { Failure } from '../state/failure';
import { Button } from './Button';
import { Icon, type IconName } from './Icon';

const ICON: Partial<Record<Failure['kind'], IconName>> = {
  room_full: 'people',
  room_ended: 'door',
  removed: 'door',
  duplicate_identity: 'people',
  token_rejected: 'wait',
  signed_out: 'person',
  not_permitted: 'lock',
  room_locked: 'lock',
  banned: 'door',
  lobby_refused: 'door',
  lobby_gone: 'wait',
  sign_in_required: 'person',
  rate_limited: 'wait',
  encryption_failed: 'lock',
};

/** A whole page's worth of "what happened and what now". */
export function FailureCard({ failure, onRetry }: { failure: Failure; onRetry: () => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Screen readers start reading here: the page they were on is gone.
  useEffect(() => heading.current?.focus(), []);
  const canRetry = failure.retry !== 'none';
  return (
    <section className="outcome" data-testid="failure" data-kind={failure.kind}>
      <div className="outcome-mark outcome-mark-problem">
        <Icon name={ICON[failure.kind] ?? 'warning'} size={28} />
      </div>
      <h1 ref={heading} tabIndex={-1}>
        {failure.title}
      </h1>
      <p>{failure.advice}</p>
      <div className="outcome-actions">
        {canRetry && (
          <Button look="primary" onClick={onRetry} data-testid="failure-retry">
            {retryLabel(failure)}
          </Button>
        )}
        <Button
          look={canRetry ? 'secondary' : 'primary'}
          onClick={() => {
            navigate('/');
          }}
        >
          Go to home page
        </Button>
      </div>
    </section>
  );
}

/** "Rejoin" promises a call one was in; the others may never have let us in. */
function retryLabel({ kind, retry }: Failure): string {
  if (retry === 'sign_in') return 'Sign in';
  if (kind === 'lobby_refused' || kind === 'lobby_gone') return 'Knock again';
  const wasIn = !NEVER_IN.has(kind);
  return retry === 'join' && wasIn ? 'Rejoin' : 'Try again';
}

const NEVER_IN: ReadonlySet<Failure['kind']> = new Set([
  'server_unreachable',
  'encryption_failed',
  'room_locked',
  'unknown',
]);

import { useEffect, useId, useRef } from 'react';
import { Icon } from '../../ui/Icon';

export type Consent = 'agrees' | 'declines';

interface ConsentFormProps {
  recorded: boolean;
  /** What people write is kept here, and recorded with the rest. */
  keepsChat: boolean;
  /** Nothing is chosen for anybody: who says nothing has not agreed. */
  value: Consent | undefined;
  /** One wanted to join without a word about it. */
  missing: boolean;
  onChange: (consent: Consent) => void;
}

/** Whether one agrees to be recorded, where that is asked of everybody who joins. */
export function ConsentForm({ recorded, keepsChat, value, missing, onChange }: ConsentFormProps) {
  const id = useId();
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (missing) first.current?.focus();
  }, [missing]);
  const choice = (consent: Consent, label: string) => (
    <label className="consent-choice">
      <input
        ref={consent === 'agrees' ? first : undefined}
        type="radio"
        name={id}
        checked={value === consent}
        aria-describedby={missing ? `${id}-missing` : undefined}
        data-testid={`consent-${consent}`}
        onChange={() => {
          onChange(consent);
        }}
      />
      {label}
    </label>
  );
  return (
    <fieldset className="consent" data-testid="prejoin-consent">
      <legend>
        <Icon name="record" size={20} />
        {recorded ? 'This call is being recorded' : 'Calls in this room may be recorded'}
      </legend>
      <p className="field-hint">
        {keepsChat ? 'What you say, show and write' : 'What you say and show'} becomes part of the
        recording. The hosts of the call, whoever owns the room and the administrators of this
        server can watch it.
      </p>
      {choice('agrees', 'I agree to be recorded')}
      {choice('declines', 'I do not agree')}
      {missing && (
        <p id={`${id}-missing`} className="field-error" role="alert">
          Choose first. Nobody is recorded here without having agreed.
        </p>
      )}
      <p role="status" className="consent-declined">
        {value === 'declines' &&
          'That is all right: you do not join, and nothing of you is recorded. Tell the host, who can stop the recording or meet you in another room.'}
      </p>
    </fieldset>
  );
}

/** Said to everybody who is about to be heard and seen. */
export function RecordedNote() {
  return (
    <p className="note" role="status" data-testid="prejoin-recorded">
      <Icon name="record" size={20} />
      <span>This call is being recorded. From when you join you are part of it.</span>
    </p>
  );
}

import { useState } from 'react';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Switch } from '../ui/Switch';

interface RemoveDialogProps {
  name: string;
  /** Already nobody new comes in. */
  locked: boolean;
  onRemove: (how: { keepOut: boolean; lock: boolean }) => void;
  onClose: () => void;
}

export function RemoveDialog({ name, locked, onRemove, onClose }: RemoveDialogProps) {
  const [keepOut, setKeepOut] = useState(false);
  const [lock, setLock] = useState(false);
  return (
    <Dialog title={`Remove ${name}?`} onClose={onClose}>
      <p className="empty">They leave the call at once and are told that a host removed them.</p>
      <Switch
        label="Keep them out"
        hint="Not as who they are now. In another tab they are somebody new: a lock or the lobby keeps them out for sure."
        checked={keepOut}
        onChange={setKeepOut}
        testId="remove-keep-out"
      />
      {!locked && (
        <Switch
          label="And lock the room"
          hint="Nobody new comes in until a host unlocks it."
          checked={lock}
          onChange={setLock}
          testId="remove-lock"
        />
      )}
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          look="danger"
          data-testid="remove-confirm"
          onClick={() => {
            onRemove({ keepOut, lock });
          }}
        >
          Remove
        </Button>
      </div>
    </Dialog>
  );
}

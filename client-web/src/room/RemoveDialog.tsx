import { useState } from 'react';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Switch } from '../ui/Switch';

interface RemoveDialogProps {
  name: string;
  onRemove: (keepOut: boolean) => void;
  onClose: () => void;
}

export function RemoveDialog({ name, onRemove, onClose }: RemoveDialogProps) {
  const [keepOut, setKeepOut] = useState(false);
  return (
    <Dialog title={`Remove ${name}?`} onClose={onClose}>
      <p className="empty">They leave the call at once and are told that a host removed them.</p>
      <Switch
        label="Keep them out"
        hint="They cannot come back into this room."
        checked={keepOut}
        onChange={setKeepOut}
        testId="remove-keep-out"
      />
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          look="danger"
          data-testid="remove-confirm"
          onClick={() => {
            onRemove(keepOut);
          }}
        >
          Remove
        </Button>
      </div>
    </Dialog>
  );
}

import { SHORTCUTS } from '../state/shortcuts';
import { Dialog } from '../ui/Dialog';
import { Switch } from '../ui/Switch';
import { usePreferences } from '../ui/usePreferences';

export function HelpDialog({ onClose }: { onClose: () => void }) {
  const [{ shortcuts }, setPreferences] = usePreferences();
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl className="keys">
        {SHORTCUTS.map(({ key, label }) => (
          <div key={key}>
            <dt>
              <kbd>{key === 'Escape' ? 'Esc' : key.toUpperCase()}</kbd>
            </dt>
            <dd>{label}</dd>
          </div>
        ))}
      </dl>
      <Switch
        label="Single-key shortcuts"
        hint="Turn off if you dictate or use a screen reader that sends letters."
        checked={shortcuts}
        onChange={(on) => {
          setPreferences({ shortcuts: on });
        }}
      />
    </Dialog>
  );
}

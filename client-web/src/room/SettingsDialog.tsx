import { useMediaDeviceSelect } from '@livekit/components-react';
import { supportsAudioOutputSelection } from 'livekit-client';
import { chosenDevice, deviceOptions, type DeviceKind } from '../state/devices';
import type { Preferences, Theme } from '../state/preferences';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Select } from '../ui/Select';
import { usePreferences } from '../ui/usePreferences';
import type { IconName } from '../ui/Icon';

interface SettingsDialogProps {
  onHelp: () => void;
  onProblem: (error: unknown) => void;
  onClose: () => void;
}

/** Devices can be changed in the middle of a call; livekit swaps the track in place. */
export function SettingsDialog({ onHelp, onProblem, onClose }: SettingsDialogProps) {
  return (
    <Dialog title="Settings" onClose={onClose}>
      <div className="devices">
        <RoomDevice kind="videoinput" icon="camera" label="Camera" onProblem={onProblem} />
        <RoomDevice kind="audioinput" icon="mic" label="Microphone" onProblem={onProblem} />
        {supportsAudioOutputSelection() && (
          <RoomDevice kind="audiooutput" icon="speaker" label="Speaker" onProblem={onProblem} />
        )}
        <ThemeChoice />
      </div>
      <div className="settings-foot">
        <Button icon="keyboard" look="quiet" onClick={onHelp}>
          Keyboard shortcuts
        </Button>
      </div>
    </Dialog>
  );
}

const THEMES = [
  { id: 'system', label: 'Theme: as on this device' },
  { id: 'light', label: 'Theme: light' },
  { id: 'dark', label: 'Theme: dark' },
];

function ThemeChoice() {
  const [{ theme }, setPreferences] = usePreferences();
  return (
    <Select
      label="Theme"
      icon="system"
      empty=""
      options={THEMES}
      value={theme}
      onChange={(id) => {
        setPreferences({ theme: id as Theme });
      }}
    />
  );
}

const REMEMBERED = {
  videoinput: 'camera',
  audioinput: 'microphone',
  audiooutput: 'speaker',
} as const satisfies Record<DeviceKind, keyof Preferences>;

interface RoomDeviceProps {
  kind: DeviceKind;
  icon: IconName;
  label: string;
  onProblem: (error: unknown) => void;
}

function RoomDevice({ kind, icon, label, onProblem }: RoomDeviceProps) {
  const [preferences, setPreferences] = usePreferences();
  const { devices, activeDeviceId, setActiveMediaDevice } = useMediaDeviceSelect({ kind });
  const options = deviceOptions(devices, kind);
  return (
    <Select
      label={label}
      icon={icon}
      empty={`No ${label.toLowerCase()}`}
      options={options}
      value={chosenDevice(options, activeDeviceId, preferences[REMEMBERED[kind]])}
      onChange={(id) => {
        setPreferences({ [REMEMBERED[kind]]: id });
        setActiveMediaDevice(id).catch(onProblem);
      }}
    />
  );
}

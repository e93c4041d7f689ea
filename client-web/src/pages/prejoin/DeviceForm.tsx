import {
  supportsAudioOutputSelection,
  type LocalAudioTrack,
  type LocalVideoTrack,
} from 'livekit-client';
import type { PreviewMedia } from '../../media/browserMedia';
import type { DeviceState, LocalMediaState } from '../../media/localMedia';
import { useDevices } from '../../media/useDevices';
import { chosenDevice } from '../../state/devices';
import { Select } from '../../ui/Select';
import { usePreferences } from '../../ui/usePreferences';

interface DeviceFormProps {
  media: PreviewMedia;
  state: LocalMediaState<LocalVideoTrack, LocalAudioTrack>;
}

export function DeviceForm({ media, state }: DeviceFormProps) {
  const [remembered, setPreferences] = usePreferences();
  const devices = useDevices(`${state.camera.status} ${state.microphone.status}`);
  return (
    <fieldset className="devices">
      <legend className="visually-hidden">Devices</legend>
      <Select
        label="Camera"
        icon="camera"
        empty="No camera"
        options={devices.videoinput}
        value={chosenDevice(devices.videoinput, runningId(state.camera), remembered.camera)}
        onChange={(camera) => {
          setPreferences({ camera });
          void media.reopen('camera');
        }}
      />
      <Select
        label="Microphone"
        icon="mic"
        empty="No microphone"
        options={devices.audioinput}
        value={chosenDevice(devices.audioinput, runningId(state.microphone), remembered.microphone)}
        onChange={(microphone) => {
          setPreferences({ microphone });
          void media.reopen('microphone');
        }}
      />
      {supportsAudioOutputSelection() && devices.audiooutput.length > 0 && (
        <Select
          label="Speaker"
          icon="speaker"
          empty="System speaker"
          options={devices.audiooutput}
          value={chosenDevice(devices.audiooutput, undefined, remembered.speaker)}
          onChange={(speaker) => {
            setPreferences({ speaker });
          }}
        />
      )}
    </fieldset>
  );
}

function runningId(device: DeviceState<LocalVideoTrack | LocalAudioTrack>): string | undefined {
  return device.status === 'on' ? device.track.mediaStreamTrack.getSettings().deviceId : undefined;
}

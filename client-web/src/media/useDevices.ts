import { useEffect, useState } from 'react';
import { deviceOptions, type DeviceKind, type DeviceOption } from '../state/devices';

export type DeviceLists = Record<DeviceKind, DeviceOption[]>;

const NONE: DeviceLists = { videoinput: [], audioinput: [], audiooutput: [] };

/** The plugged-in devices. `refresh` changes when permission may have arrived, and labels with it. */
export function useDevices(refresh: unknown): DeviceLists {
  const [lists, setLists] = useState(NONE);
  useEffect(() => {
    // Absent on plain http pages.
    const source = navigator.mediaDevices as MediaDevices | undefined;
    if (!source) return;
    let current = true;
    const read = async () => {
      const devices = await source.enumerateDevices().catch(() => []);
      if (!current) return;
      setLists({
        videoinput: deviceOptions(devices, 'videoinput'),
        audioinput: deviceOptions(devices, 'audioinput'),
        audiooutput: deviceOptions(devices, 'audiooutput'),
      });
    };
    void read();
    const onChange = () => void read();
    source.addEventListener('devicechange', onChange);
    return () => {
      current = false;
      source.removeEventListener('devicechange', onChange);
    };
  }, [refresh]);
  return lists;
}

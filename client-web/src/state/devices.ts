/** Device lists as people can read them. */

export interface DeviceOption {
  id: string;
  label: string;
}

export type DeviceKind = 'videoinput' | 'audioinput' | 'audiooutput';

const NOUN: Record<DeviceKind, string> = {
  videoinput: 'Camera',
  audioinput: 'Microphone',
  audiooutput: 'Speaker',
};

interface Device {
  deviceId: string;
  kind: string;
  label: string;
}

/**
 * Options for one kind. Before permission browsers list devices with empty ids: those say only
 * "there is one", so they are not offered. Labels get numbers when two devices share a name.
 */
export function deviceOptions(devices: readonly Device[], kind: DeviceKind): DeviceOption[] {
  const usable = devices.filter((device) => device.kind === kind && device.deviceId !== '');
  const seen = new Map<string, number>();
  return usable.map((device, index) => {
    const base = cleanLabel(device.label) || `${NOUN[kind]} ${String(index + 1)}`;
    const count = (seen.get(base) ?? 0) + 1;
    seen.set(base, count);
    return { id: device.deviceId, label: count > 1 ? `${base} (${String(count)})` : base };
  });
}

/** The device to show as chosen: the running one, else the remembered one if it is still plugged in. */
export function chosenDevice(
  options: readonly DeviceOption[],
  running: string | undefined,
  remembered: string | undefined,
): string {
  const known = (id: string | undefined) => options.some((option) => option.id === id);
  if (running !== undefined && known(running)) return running;
  if (remembered !== undefined && known(remembered)) return remembered;
  return options[0]?.id ?? '';
}

/** Chromium appends the USB ids, "HD Webcam (046d:0825)": noise for everybody but its driver. */
function cleanLabel(label: string): string {
  return label.replace(/\s*\([0-9a-f]{4}:[0-9a-f]{4}\)$/i, '').trim();
}

import { describe, expect, it } from 'vitest';
import { chosenDevice, deviceOptions } from './devices';

const camera = (deviceId: string, label: string) => ({ kind: 'videoinput', deviceId, label });

describe('the list of cameras', () => {
  it('before permission, offers nothing rather than nameless entries', () => {
    expect(deviceOptions([camera('', '')], 'videoinput')).toEqual([]);
  });

  it('drops the USB ids from names', () => {
    expect(deviceOptions([camera('a', 'HD Webcam (046d:0825)')], 'videoinput')).toEqual([
      { id: 'a', label: 'HD Webcam' },
    ]);
  });

  it('tells two of the same make apart', () => {
    const list = deviceOptions([camera('a', 'Cam'), camera('b', 'Cam')], 'videoinput');
    expect(list.map((one) => one.label)).toEqual(['Cam', 'Cam (2)']);
  });

  it('numbers what has no name, and leaves other kinds out', () => {
    const devices = [{ kind: 'audioinput', deviceId: 'm', label: 'Mic' }, camera('a', '')];
    expect(deviceOptions(devices, 'videoinput')).toEqual([{ id: 'a', label: 'Camera 1' }]);
  });
});

describe('the chosen one', () => {
  const options = [
    { id: 'a', label: 'A' },
    { id: 'b', label: 'B' },
  ];

  it('is the running one, else the remembered one, else the first', () => {
    expect(chosenDevice(options, 'b', 'a')).toBe('b');
    expect(chosenDevice(options, undefined, 'b')).toBe('b');
    expect(chosenDevice(options, undefined, undefined)).toBe('a');
  });

  it('is not one that was unplugged since', () => {
    expect(chosenDevice(options, undefined, 'gone')).toBe('a');
    expect(chosenDevice([], 'a', 'a')).toBe('');
  });
});

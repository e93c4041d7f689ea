import { expect, it } from 'vitest';
import { actionLabel, hostActions, type Subject } from './hosting';

const ben: Subject = {
  local: false,
  role: 'participant',
  micOn: true,
  cameraOn: false,
  sharing: false,
  turn: undefined,
};
const menu = (change: Partial<Subject> = {}) => hostActions({ ...ben, ...change }).map(actionLabel);

it('offers what can be done about somebody as they are', () => {
  expect(menu()).toEqual(['Mute microphone', 'Ask to turn camera on', 'Make host', 'Remove…']);
  expect(menu({ micOn: false, cameraOn: true, sharing: true, turn: 1, role: 'host' })).toEqual([
    'Ask to unmute',
    'Turn camera off',
    'Stop their screen',
    'Lower hand',
    'Host no more',
    'Remove…',
  ]);
});

it('nobody is host over themselves', () => {
  expect(menu({ local: true })).toEqual([]);
});

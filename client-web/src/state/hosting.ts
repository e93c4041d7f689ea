/** What a host can do about one person, given what that person is and does. */
import type { Source } from '../api/hosts';

export type HostAction =
  | { type: 'mute'; source: Source }
  | { type: 'ask'; source: Source }
  | { type: 'lower_hand' }
  | { type: 'role'; role: 'host' | 'participant' }
  | { type: 'remove' };

/** The little that matters here. */
export interface Subject {
  local: boolean;
  role: string;
  micOn: boolean;
  cameraOn: boolean;
  sharing: boolean;
  turn: number | undefined;
}

/** In the order of the menu: the mild first. Nobody is host over themselves. */
export function hostActions(person: Subject): HostAction[] {
  if (person.local) return [];
  return [
    person.micOn ? { type: 'mute', source: 'microphone' } : { type: 'ask', source: 'microphone' },
    person.cameraOn ? { type: 'mute', source: 'camera' } : { type: 'ask', source: 'camera' },
    ...(person.sharing ? [{ type: 'mute', source: 'screen_share' } as const] : []),
    ...(person.turn === undefined ? [] : [{ type: 'lower_hand' } as const]),
    { type: 'role', role: person.role === 'host' ? 'participant' : 'host' },
    { type: 'remove' },
  ];
}

const MUTE: Record<Source, string> = {
  microphone: 'Mute microphone',
  camera: 'Turn camera off',
  screen_share: 'Stop their screen',
};
const ASK: Record<Source, string> = {
  microphone: 'Ask to unmute',
  camera: 'Ask to turn camera on',
  screen_share: 'Ask to share their screen',
};

export function actionLabel(action: HostAction): string {
  switch (action.type) {
    case 'mute':
      return MUTE[action.source];
    case 'ask':
      return ASK[action.source];
    case 'lower_hand':
      return 'Lower hand';
    case 'role':
      return action.role === 'host' ? 'Make host' : 'Host no more';
    case 'remove':
      return 'Remove…';
  }
}

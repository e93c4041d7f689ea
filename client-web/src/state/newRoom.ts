/** What somebody wishes of a new room, and how that is asked of the server. */
import type { NewRoom } from '../api/types';

export interface RoomWishes {
  password: string;
  lobby: boolean;
  keepsChat: boolean;
  membersOnly: boolean;
  lasting: boolean;
  /** From the first person on, without anybody asking for it. */
  recorded: boolean;
  /** Who joins has to agree to be recorded. */
  asksConsent: boolean;
}

export const NO_WISHES: RoomWishes = {
  password: '',
  lobby: false,
  keepsChat: false,
  membersOnly: false,
  lasting: false,
  recorded: false,
  asksConsent: false,
};

/** What the server cannot read it cannot keep: of those wishes, what can be had. */
export function possible(wishes: RoomWishes, encrypted: boolean): RoomWishes {
  if (!encrypted) return wishes;
  return { ...wishes, keepsChat: false, recorded: false, asksConsent: false };
}

/** Only what differs from a plain room is said, so that the server's own defaults count. */
export function toNewRoom(name: string, wishes: RoomWishes): NewRoom {
  const { password, lobby, keepsChat, membersOnly, lasting, recorded, asksConsent } = wishes;
  return {
    name,
    ...(password === '' ? {} : { password }),
    ...(lobby ? { lobby } : {}),
    ...(keepsChat ? { keeps_chat: true } : {}),
    ...(membersOnly ? { guests: false } : {}),
    ...(lasting ? { lasting } : {}),
    ...(recorded || asksConsent ? { recording: { auto: recorded, consent: asksConsent } } : {}),
  };
}

/** "password, lobby": what a folded form still says. */
export function wishesInWords(wishes: RoomWishes): string {
  return [
    wishes.password !== '' && 'password',
    wishes.lobby && 'lobby',
    wishes.keepsChat && 'chat kept',
    wishes.membersOnly && 'accounts only',
    wishes.lasting && 'room kept',
    wishes.recorded && 'recorded',
    wishes.asksConsent && 'consent asked',
  ]
    .filter(Boolean)
    .join(', ');
}

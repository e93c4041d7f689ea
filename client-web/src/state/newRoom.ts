/** What somebody wishes of a new room, and how that is asked of the server. */
import type { NewRoom } from '../api/types';

export interface RoomWishes {
  password: string;
  lobby: boolean;
  keepsChat: boolean;
  membersOnly: boolean;
  lasting: boolean;
}

export const NO_WISHES: RoomWishes = {
  password: '',
  lobby: false,
  keepsChat: false,
  membersOnly: false,
  lasting: false,
};

/** Messages the server cannot read it cannot keep: of those wishes, what can be had. */
export function possible(wishes: RoomWishes, encrypted: boolean): RoomWishes {
  return encrypted ? { ...wishes, keepsChat: false } : wishes;
}

/** Only what differs from a plain room is said, so that the server's own defaults count. */
export function toNewRoom(name: string, wishes: RoomWishes): NewRoom {
  const { password, lobby, keepsChat, membersOnly, lasting } = wishes;
  return {
    name,
    ...(password === '' ? {} : { password }),
    ...(lobby ? { lobby } : {}),
    ...(keepsChat ? { keeps_chat: true } : {}),
    ...(membersOnly ? { guests: false } : {}),
    ...(lasting ? { lasting } : {}),
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
  ]
    .filter(Boolean)
    .join(', ');
}

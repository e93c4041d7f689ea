/**
 * The keys of rooms that were made in this browser: who shows a room's key is its host. Kept between
 * visits, so that one may close the tab and still be host of one's own room tomorrow.
 */
type Store = Pick<Storage, 'getItem' | 'setItem'>;

const KEY = 'sluice.hostKeys';
/** Rooms come and go: the oldest keys are forgotten. */
const MOST = 50;

export class HostKeys {
  constructor(private readonly storage: Store | undefined) {}

  recall(roomId: string): string | undefined {
    return this.read().find(([id]) => id === roomId)?.[1];
  }

  remember(roomId: string, key: string): void {
    const others = this.read().filter(([id]) => id !== roomId);
    try {
      this.storage?.setItem(KEY, JSON.stringify([...others, [roomId, key]].slice(-MOST)));
    } catch {
      // A full or forbidden storage: the room goes on, its maker is a guest like the others.
    }
  }

  private read(): [string, string][] {
    try {
      const parsed: unknown = JSON.parse(this.storage?.getItem(KEY) ?? '[]');
      return Array.isArray(parsed) ? parsed.filter(isPair) : [];
    } catch {
      return [];
    }
  }
}

function isPair(value: unknown): value is [string, string] {
  return (
    Array.isArray(value) && value.length === 2 && value.every((one) => typeof one === 'string')
  );
}

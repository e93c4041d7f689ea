/**
 * Who this tab is, per room, so that a reload rejoins as the same person.
 *
 * Duplicating a tab copies its sessionStorage, and two tabs with one identity throw each other out.
 * So a tab claims its identity with a Web Lock; a copy that finds it claimed starts as somebody new.
 */
type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
type Locks = Pick<LockManager, 'request'>;

/** A page that reloads may find its own old lock for a moment: wait that long before giving up. */
const CLAIM_MS = 400;

const key = (roomId: string) => `sluice.identity.${roomId}`;

/** Somebody in a room, and what shows it: everybody there knows the identity. */
export interface Self {
  identity: string;
  returnKey?: string | undefined;
}

export class TabIdentity {
  /** Claims made or under way: asking twice must not make a tab wait for itself. */
  private readonly claims = new Map<string, Promise<boolean>>();

  constructor(
    private readonly storage: Store | undefined,
    /** Absent on plain http pages. */
    private readonly locks: Locks | undefined,
  ) {}

  /** Whom to ask to be, or `undefined` to let the server invent somebody. */
  async recall(roomId: string): Promise<Self | undefined> {
    const self = read(this.storage?.getItem(key(roomId)));
    if (self === undefined) return undefined;
    if (await this.claim(roomId, self.identity)) return self;
    this.storage?.removeItem(key(roomId));
    return undefined;
  }

  async remember(roomId: string, { identity, returnKey }: Self): Promise<void> {
    this.storage?.setItem(key(roomId), JSON.stringify({ identity, returnKey }));
    await this.claim(roomId, identity);
  }

  private claim(roomId: string, identity: string): Promise<boolean> {
    const name = `${key(roomId)}.${identity}`;
    const claim = this.claims.get(name) ?? this.requestLock(name);
    this.claims.set(name, claim);
    return claim;
  }

  private requestLock(name: string): Promise<boolean> {
    const { locks } = this;
    if (!locks) return Promise.resolve(true);
    return new Promise((resolve) => {
      locks
        .request(name, { signal: AbortSignal.timeout(CLAIM_MS) }, () => {
          resolve(true);
          // Held until the tab closes: the browser lets go of it then.
          return new Promise<never>(() => undefined);
        })
        .catch(() => {
          resolve(false);
        });
    });
  }
}

/** What lies in storage may be another version's, or anybody's. */
function read(stored: string | null | undefined): Self | undefined {
  try {
    const { identity, returnKey } = JSON.parse(stored ?? '{}') as Record<string, unknown>;
    if (typeof identity !== 'string') return undefined;
    return { identity, returnKey: typeof returnKey === 'string' ? returnKey : undefined };
  } catch {
    return undefined;
  }
}

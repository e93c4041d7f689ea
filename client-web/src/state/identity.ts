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

export class TabIdentity {
  /** Claims made or under way: asking twice must not make a tab wait for itself. */
  private readonly claims = new Map<string, Promise<boolean>>();

  constructor(
    private readonly storage: Store | undefined,
    /** Absent on plain http pages. */
    private readonly locks: Locks | undefined,
  ) {}

  /** The identity to ask for, or `undefined` to let the server invent one. */
  async recall(roomId: string): Promise<string | undefined> {
    const identity = this.storage?.getItem(key(roomId)) ?? undefined;
    if (identity === undefined) return undefined;
    if (await this.claim(roomId, identity)) return identity;
    this.storage?.removeItem(key(roomId));
    return undefined;
  }

  async remember(roomId: string, identity: string): Promise<void> {
    this.storage?.setItem(key(roomId), identity);
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

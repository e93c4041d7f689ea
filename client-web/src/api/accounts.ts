/** Signing in, and who has an account. The refresh token is a cookie that scripts never see. */
import { request } from './http';

export interface User {
  id: string;
  login: string;
  name: string;
  roles: string[];
  disabled: boolean;
  /** Unix milliseconds. */
  created_at: number;
}

export interface SignedIn {
  access_token: string;
  expires_in_s: number;
  user: User;
}

export interface NewUser {
  login: string;
  /** Empty: the server calls them by their login. */
  name: string;
  password: string;
  roles: string[];
}

/** A name that was left empty is not asked for; one that is empty would be refused. */
const given = (name: string) => (name === '' ? undefined : name);

export const accounts = {
  signIn: (login: string, password: string) =>
    request<SignedIn>('POST', '/api/accounts/login', { body: { login, password } }),

  register: (login: string, name: string, password: string) =>
    request<SignedIn>('POST', '/api/accounts/register', {
      body: { login, name: given(name), password },
    }),

  /** Outlives the page: the old cookie is good once, and the new one must not be lost with a reload. */
  refresh: () => request<SignedIn>('POST', '/api/accounts/refresh', { body: {}, keepalive: true }),

  signOut: (token: string | undefined) =>
    request<unknown>('POST', '/api/accounts/logout', { body: {}, token }),

  /** Ends all tokens of the account; the answer has the new ones. */
  changePassword: (before: string, after: string, token: string | undefined) =>
    request<SignedIn>('POST', '/api/accounts/password', {
      body: { old: before, new: after },
      token,
    }),
};

/** As many as an answer holds; so many answers make a table that a browser still shows at once. */
const USERS_A_PAGE = 1000;
const USER_PAGES = 5;

/** For administrators. */
export const users = {
  /** All of them, in the order of their logins; `more` where there are more than anybody looks through. */
  list: async (token: string | undefined) => {
    const list: User[] = [];
    for (let page = 0; page < USER_PAGES; page++) {
      const answer = await request<{ users: User[]; more?: boolean }>('GET', '/api/users', {
        query: { limit: USERS_A_PAGE, after: list.at(-1)?.login },
        token,
      });
      list.push(...answer.users);
      if (answer.more !== true || answer.users.length === 0) return { users: list, more: false };
    }
    return { users: list, more: true };
  },

  add: (user: NewUser, token: string | undefined) =>
    request<User>('POST', '/api/users', { body: { ...user, name: given(user.name) }, token }),

  change: (
    id: string,
    change: Partial<Pick<User, 'name' | 'roles' | 'disabled'>> & { password?: string },
    token: string | undefined,
  ) => request<User>('PATCH', `/api/users/${encodeURIComponent(id)}`, { body: change, token }),

  remove: (id: string, token: string | undefined) =>
    request<unknown>('DELETE', `/api/users/${encodeURIComponent(id)}`, { token }),
};

/** Where signing in with the provider begins. It comes back to a path of this server. */
export function providerPath(next: string): string {
  return `/api/accounts/oidc/start?next=${encodeURIComponent(next)}`;
}

import { rememberNext } from '../account/next';
import { isDenied } from '../api/errors';
import { inWords } from '../state/failure';
import { Icon } from './Icon';
import { Link } from './Link';

/** Why a page shows nothing: the server is away, or one has to be somebody else to see it. */
export function AccessNote({ error }: { error: unknown }) {
  if (!isDenied(error)) {
    return (
      <p className="note note-problem" role="alert" data-testid="access-note">
        <Icon name="warning" size={20} />
        <span>{inWords(error)}</span>
      </p>
    );
  }
  return (
    <section className="card narrow" data-testid="access-note" data-status={error.status}>
      <h2>{error.status === 401 ? 'Sign in to see this' : 'This is not for your account'}</h2>
      <p className="empty">
        {error.status === 401
          ? 'What happened in rooms is shown to those who were in them, and to administrators.'
          : 'Ask an administrator of this server, or sign in as somebody else.'}
      </p>
      <Link
        className="button button-primary"
        to="/signin"
        onClickCapture={() => {
          rememberNext(window.location.pathname);
        }}
      >
        Sign in
      </Link>
    </section>
  );
}

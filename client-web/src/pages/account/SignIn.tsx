import { useEffect, useRef, useState } from 'react';
import { account } from '../../account/account';
import { rememberNext, takeNext } from '../../account/next';
import { useServerInfo } from '../../account/serverInfo';
import { useAccount } from '../../account/useAccount';
import { accounts, providerPath } from '../../api/accounts';
import { navigate } from '../../app/navigation';
import { inWords } from '../../state/failure';
import { Button } from '../../ui/Button';
import { Field } from '../../ui/Field';
import { Link } from '../../ui/Link';
import { PageShell } from '../../ui/PageShell';

/** Sign in with a password or with a provider; or go on as a guest. */
export default function SignIn({ search }: { search: string }) {
  const info = useServerInfo();
  const who = useAccount();
  const returned = new URLSearchParams(search);
  const fromProvider = returned.has('signed_in');
  const refusal = returned.get('error');
  const [registering, setRegistering] = useState(false);
  const done = useRef(false);

  useEffect(() => {
    if (fromProvider) void account.arrive();
  }, [fromProvider]);
  useEffect(() => {
    // Once, and in place of this page: going back must not throw one forward again to nowhere.
    if (who.status !== 'signed_in' || done.current) return;
    done.current = true;
    navigate(takeNext(), { replace: true });
  }, [who.status]);

  const ways = info?.accounts;
  const guests = info?.guests !== false;
  return (
    <PageShell title="Sign in">
      <section className="card narrow" aria-labelledby="sign-in-heading">
        <h1 id="sign-in-heading">{registering ? 'New account' : 'Sign in'}</h1>
        {info !== undefined && ways?.enabled !== true ? (
          <p className="empty">This server has no accounts: everybody is a guest.</p>
        ) : (
          <>
            {refusal !== null && (
              <p className="field-error" role="alert">
                The provider did not let you in. Try again, or use a password.
              </p>
            )}
            <PasswordForm registering={registering} />
            {ways?.oidc && (
              <>
                <p className="or">or</p>
                <Button
                  icon="door"
                  data-testid="sign-in-provider"
                  onClick={() => {
                    window.location.assign(providerPath('/signin?signed_in=1'));
                  }}
                >
                  Continue with {ways.oidc.name}
                </Button>
              </>
            )}
            {ways?.registration === true && (
              <Button
                look="quiet"
                onClick={() => {
                  setRegistering(!registering);
                }}
              >
                {registering ? 'I have an account' : 'Make an account'}
              </Button>
            )}
          </>
        )}
        {guests && (
          <p className="guest-path">
            No account needed to join:{' '}
            <Link
              to="/"
              data-testid="guest-path"
              onClickCapture={() => {
                rememberNext('/');
              }}
            >
              go on as a guest
            </Link>
          </p>
        )}
      </section>
    </PageShell>
  );
}

function PasswordForm({ registering }: { registering: boolean }) {
  const [login, setLogin] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  const submit = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      if (registering) account.accept(await accounts.register(login.trim(), name.trim(), password));
      else await account.signIn(login.trim(), password);
    } catch (error) {
      setProblem(inWords(error));
      setBusy(false);
    }
  };
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) void submit();
      }}
    >
      <Field
        label="Login"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        required
        value={login}
        data-testid="sign-in-login"
        onChange={(event) => {
          setLogin(event.target.value);
        }}
      />
      {registering && (
        <Field
          label="Your name"
          autoComplete="name"
          maxLength={64}
          value={name}
          onChange={(event) => {
            setName(event.target.value);
          }}
        />
      )}
      <Field
        label="Password"
        type="password"
        autoComplete={registering ? 'new-password' : 'current-password'}
        required
        value={password}
        error={problem}
        data-testid="sign-in-password"
        onChange={(event) => {
          setPassword(event.target.value);
          setProblem(undefined);
        }}
      />
      <Button look="primary" type="submit" busy={busy} data-testid="sign-in-submit">
        {registering ? 'Make account' : 'Sign in'}
      </Button>
    </form>
  );
}

import { useEffect, useState, useSyncExternalStore } from 'react';
import type { RoomInfo } from '../../api/types';
import type { PreviewMedia } from '../../media/browserMedia';
import type { Answers } from '../../media/callController';
import { navigate } from '../../app/navigation';
import type { Failure } from '../../state/failure';
import { Button } from '../../ui/Button';
import { FailureNote } from '../../ui/FailureNote';
import { Field } from '../../ui/Field';
import { Icon } from '../../ui/Icon';
import { PageShell } from '../../ui/PageShell';
import { usePreferences } from '../../ui/usePreferences';
import { ConsentForm, RecordedNote, type Consent } from './Consent';
import { DeviceForm } from './DeviceForm';
import { Preview } from './Preview';

interface PreJoinProps {
  room: RoomInfo;
  encrypted: boolean;
  media: PreviewMedia;
  suggestedName: string | undefined;
  /** What the account calls one that has not typed a name here before. */
  accountName?: string | undefined;
  /** What the server found wrong with the last attempt. */
  problem: Failure | undefined;
  onJoin: (name: string, answers: Answers) => void;
}

export function PreJoin(props: PreJoinProps) {
  const { room, encrypted, media, suggestedName, accountName = '', problem, onJoin } = props;
  const [preferences, setPreferences] = usePreferences();
  const [typed, setTyped] = useState<string>();
  // Who is signed in may become known while one is here already.
  const name = typed ?? suggestedName ?? (preferences.name || accountName);
  const [nameMissing, setNameMissing] = useState(false);
  const [password, setPassword] = useState('');
  const [consent, setConsent] = useState<Consent>();
  const [consentMissing, setConsentMissing] = useState(false);
  // It may have been turned on since this page was opened.
  const asksConsent = room.asks_consent === true || problem?.kind === 'consent_required';
  const asksPassword = room.has_password === true || isAboutPassword(problem);
  const state = useSyncExternalStore(media.subscribe, media.get);

  useEffect(() => void media.start(), [media]);

  const join = () => {
    const trimmed = name.trim();
    if (trimmed === '') {
      setNameMissing(true);
      return;
    }
    if (asksConsent && consent === 'declines') return;
    if (asksConsent && consent === undefined) {
      setConsentMissing(true);
      return;
    }
    setPreferences({ name: trimmed });
    onJoin(trimmed, {
      ...(password === '' ? {} : { password }),
      ...(asksConsent && consent === 'agrees' ? { consents: true } : {}),
    });
  };

  const failures = deviceFailures(state.camera, state.microphone);
  return (
    <PageShell title={room.name === '' ? 'Join' : room.name}>
      <div className="prejoin">
        <Preview media={media} state={state} name={name} />
        <form
          className="prejoin-form"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            join();
          }}
        >
          <header>
            <h1>{room.name === '' ? 'Ready to join?' : room.name}</h1>
            <p className="prejoin-who">
              {encrypted && (
                <span className="chip">
                  <Icon name="lock" size={16} /> End-to-end encrypted
                </span>
              )}
              {room.lobby === true && <span className="chip">Lobby: a host lets you in</span>}
              <span>{peopleInside(room.num_participants)}</span>
            </p>
          </header>
          {failures.map((failure) => (
            <FailureNote key={failure.title} failure={failure} onRetry={() => void media.start()} />
          ))}
          <Field
            label="Your name"
            placeholder="How others will see you"
            autoComplete="nickname"
            maxLength={64}
            value={name}
            error={
              nameMissing
                ? 'Tell the others who you are.'
                : problem?.kind === 'bad_name'
                  ? problem.advice
                  : undefined
            }
            data-testid="prejoin-name"
            onChange={(event) => {
              setTyped(event.target.value);
              setNameMissing(false);
            }}
          />
          {asksPassword && (
            <Field
              label="Room password"
              type="password"
              autoComplete="off"
              maxLength={128}
              value={password}
              hint="The host may leave this empty."
              error={isAboutPassword(problem) ? problem?.advice : undefined}
              data-testid="prejoin-password"
              onChange={(event) => {
                setPassword(event.target.value);
              }}
            />
          )}
          <DeviceForm media={media} state={state} />
          {asksConsent ? (
            <ConsentForm
              recorded={room.is_recorded === true}
              keepsChat={room.keeps_chat === true}
              value={consent}
              missing={consentMissing}
              onChange={(choice) => {
                setConsent(choice);
                setConsentMissing(false);
              }}
            />
          ) : (
            room.is_recorded === true && <RecordedNote />
          )}
          {asksConsent && consent === 'declines' ? (
            <Button
              look="primary"
              className="prejoin-join"
              data-testid="prejoin-home"
              onClick={() => {
                navigate('/');
              }}
            >
              Go to home page
            </Button>
          ) : (
            <Button
              look="primary"
              type="submit"
              className="prejoin-join"
              data-testid="prejoin-join"
            >
              {joinLabel(state.camera.status === 'on', state.microphone.status === 'on')}
            </Button>
          )}
        </form>
      </div>
    </PageShell>
  );
}

function isAboutPassword(problem: Failure | undefined): boolean {
  return problem?.kind === 'password_required' || problem?.kind === 'wrong_password';
}

function peopleInside(count: number): string {
  if (count === 0) return 'Nobody is here yet.';
  return count === 1 ? '1 person is here.' : `${String(count)} people are here.`;
}

/** People without devices should know before they press the button that they will only watch. */
function joinLabel(camera: boolean, microphone: boolean): string {
  return camera || microphone ? 'Join' : 'Join to watch and listen';
}

type Device = { status: string; failure?: Failure };

/** Camera and microphone usually fail for one reason: say it once. */
function deviceFailures(camera: Device, microphone: Device): Failure[] {
  const ofCamera = camera.failure;
  const ofMicrophone = microphone.failure;
  if (ofCamera && ofMicrophone && ofCamera.kind === ofMicrophone.kind) {
    return [
      {
        ...ofCamera,
        title: ofCamera.title
          .replace(/^Camera is/, 'Camera and microphone are')
          .replace(/^Camera/, 'Camera and microphone')
          .replace(/^No camera/, 'No camera or microphone'),
      },
    ];
  }
  return [ofCamera, ofMicrophone].filter((one) => one !== undefined);
}

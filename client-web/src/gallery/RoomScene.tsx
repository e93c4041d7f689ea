import type { ReactNode } from 'react';
import { ChatPanel } from '../room/ChatPanel';
import { ControlBar, type Panel } from '../room/ControlBar';
import { GridView } from '../room/GridView';
import { InviteCard } from '../room/InviteCard';
import { LobbySection } from '../room/LobbySection';
import { PeoplePanel } from '../room/PeoplePanel';
import { PicturePanel } from '../room/PicturePanel';
import { Reactions } from '../room/Reactions';
import { ReconnectingBanner } from '../room/ReconnectingBanner';
import { RoomFrame } from '../room/RoomFrame';
import { StageView } from '../room/StageView';
import { TileView } from '../room/TileView';
import { Toasts } from '../room/Toasts';
import { TopBar } from '../room/TopBar';
import type { Explanation, Reason } from '../api/types';
import type { Polled } from '../ui/usePolled';
import { explained, track } from '../test/explanation';
import { addReaction, NO_REACTIONS, REACTIONS } from '../state/reactions';
import { addNotice, addPresence, NO_TOASTS } from '../state/toasts';
import { FakeScreen, FakeVideo } from './FakeVideo';
import { chatLines, people, toTile, type Person } from './people';

/** When the page was opened: twelve minutes into the call. */
const OPENED = Date.now();
const nothing = () => undefined;

/** The call with everything but livekit: the same views, fed by hand from the query string. */
export function RoomScene({ query }: { query: URLSearchParams }) {
  const crowd = people(Number(query.get('n') ?? 4));
  const stage = query.get('layout') === 'stage';
  const share = query.has('share');
  const panel = (query.get('panel') ?? 'none') as Panel;
  const lines = query.has('empty') ? [] : chatLines(crowd);
  const presenter = crowd[1] ?? crowd[0];
  return (
    <RoomFrame
      top={
        <TopBar
          roomId="k3m9x2qa"
          roomName={query.get('title') ?? 'Weekly catch-up'}
          encrypted={query.has('lock')}
          joinedAt={OPENED - 754_000}
          layout={stage ? 'stage' : 'grid'}
          onLayout={nothing}
          onCopy={nothing}
          locked={query.has('locked')}
          recording={query.has('recording')}
          onSettings={nothing}
          onHost={query.has('host') ? nothing : undefined}
        />
      }
      banner={query.has('reconnecting') && <ReconnectingBanner />}
      invite={
        crowd.length === 1 && (
          <InviteCard link="https://calls.example.org/r/k3m9x2qa" onCopy={nothing} />
        )
      }
      panel={
        panel === 'chat' ? (
          <ChatPanel
            lines={lines}
            encrypted={query.has('lock')}
            keeps
            onDelete={query.has('host') ? nothing : undefined}
            onSend={() => Promise.resolve(true)}
            onClose={nothing}
          />
        ) : panel === 'people' ? (
          <PeoplePanel
            people={crowd}
            lobby={
              query.has('host') && (
                <LobbySection
                  waiting={atTheDoor()}
                  onAdmit={nothing}
                  onRefuse={nothing}
                  onAdmitAll={nothing}
                />
              )
            }
            onAction={query.has('host') ? nothing : undefined}
            onCopy={nothing}
            onClose={nothing}
          />
        ) : query.has('picture') ? (
          <PicturePanel
            caption={presenter?.name ?? 'Ada'}
            pictureKey="ada:camera"
            report={pictureReport(query.get('picture') ?? '')}
            onClose={nothing}
          />
        ) : undefined
      }
      controls={
        <ControlBar
          micOn={!query.has('muted')}
          cameraOn={!query.has('muted')}
          sharing={false}
          canShare
          panel={panel}
          unread={panel === 'chat' ? 0 : 3}
          onMic={nothing}
          onCamera={nothing}
          onShare={nothing}
          handUp={query.has('hand')}
          waiting={query.has('host') ? 3 : 0}
          onHand={nothing}
          onReact={nothing}
          onPanel={nothing}
          onLeave={nothing}
        />
      }
      toasts={<Toasts toasts={query.has('toasts') ? someToasts() : []} onDismiss={nothing} />}
    >
      {stage ? (
        <StageView
          main={
            share && presenter ? (
              <TileView tile={toTile(presenter, 'screen_share')} video={<FakeScreen />} />
            ) : (
              tile(crowd[2] ?? crowd[0], { index: 2 })
            )
          }
          strip={crowd.map((person, index) => tile(person, { index, compact: true }))}
        />
      ) : (
        <GridView count={crowd.length} page={1} pages={query.has('pages') ? 3 : 1} onPage={nothing}>
          {crowd.map((person, index) => tile(person, { index }))}
        </GridView>
      )}
      {query.has('reactions') && <Reactions reactions={someReactions()} />}
    </RoomFrame>
  );
}

function tile(
  person: Person | undefined,
  { index, compact = false }: { index: number; compact?: boolean },
): ReactNode {
  if (!person) return null;
  return (
    <TileView
      key={person.key}
      tile={toTile(person)}
      compact={compact}
      onPin={nothing}
      onInspect={person.local ? undefined : nothing}
      {...(person.cameraOn ? { video: <FakeVideo seed={index} /> } : {})}
    />
  );
}

/** `?picture=bandwidth`, or any other reason; `waiting` and `failed` before and without an answer. */
function pictureReport(reason: string): Polled<Explanation> {
  if (reason === 'waiting') return { status: 'waiting' };
  if (reason === 'failed') return { status: 'failed', error: undefined };
  return {
    status: 'ready',
    value: explained([track(reason === '' ? {} : { reason: reason as Reason })]),
  };
}

function atTheDoor() {
  return ['Rosalind Franklin', 'Wolfeschlegelsteinhausenbergerdorff', 'نور'].map((name, index) => ({
    ticket: String(index),
    name,
    identity: `waiting-${String(index)}`,
    since: OPENED,
  }));
}

function someReactions() {
  const later = OPENED + 1e9;
  return REACTIONS.reduce(
    (state, { emoji }, index) =>
      addReaction(state, { emoji, from: String(index), name: index === 2 ? 'You' : 'Ada' }, later),
    NO_REACTIONS,
  ).shown;
}

function someToasts() {
  const later = Date.now() + 1e9;
  let state = addPresence(NO_TOASTS, 'joined', 'Ada Lovelace', later);
  state = addPresence(state, 'joined', 'Grace Hopper', later);
  state = addPresence(state, 'joined', 'Alan Turing', later);
  return addNotice(
    state,
    'Camera is busy in another app. Close the other app or browser tab that is using it, then try again.',
    later,
    'problem',
  ).toasts;
}

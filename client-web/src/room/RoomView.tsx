import { RoomAudioRenderer, RoomContext, useRoomContext } from '@livekit/components-react';
import { ConnectionState, RoomEvent } from 'livekit-client';
import { useState } from 'react';
import type { RoomInfo } from '../api/types';
import { failureFromDevice } from '../media/livekitFailure';
import type { CallSession } from '../media/session';
import { inviteLink } from '../state/joinLink';
import { copyText } from '../ui/clipboard';
import { useTitle } from '../ui/PageShell';
import { AudioUnlock } from './AudioUnlock';
import { ChatPanel } from './ChatPanel';
import { CurrentPeople } from './CurrentPeople';
import { ControlBar } from './ControlBar';
import { HelpDialog } from './HelpDialog';
import { carryOut, HostDialogs, type HostQuestion } from './HostDesk';
import { InviteCard } from './InviteCard';
import { InspectedPicture } from './InspectedPicture';
import { Reactions } from './Reactions';
import { ReconnectingBanner } from './ReconnectingBanner';
import { RoomFrame } from './RoomFrame';
import { SettingsDialog } from './SettingsDialog';
import { Tiles } from './Tiles';
import { Toasts } from './Toasts';
import { TopBar } from './TopBar';
import { useArrangement } from './useArrangement';
import { useChatLines } from './useChatLines';
import { useControls } from './useControls';
import { useCurrent } from './useCurrent';
import { useRoomShape } from './useRoomShape';
import { useDesk } from './useDesk';
import { useReactions } from './useReactions';
import { useRecording } from './useRecording';
import { useLobbyNotices, useRoomNotices } from './useRoomNotices';
import { useShortcuts } from './useShortcuts';
import { useStanding } from './useStanding';
import { useToasts } from './useToasts';
import { useWakeLock } from './useWakeLock';

const CONNECTED = [RoomEvent.ConnectionStateChanged];

interface RoomViewProps {
  session: CallSession;
  roomInfo: RoomInfo;
  encryptionKey: string | undefined;
  onLeave: () => void;
}

export function RoomView(props: RoomViewProps) {
  return (
    <RoomContext.Provider value={props.session.room}>
      <Call {...props} />
      <RoomAudioRenderer />
    </RoomContext.Provider>
  );
}

function Call({ session, roomInfo, encryptionKey, onLeave }: RoomViewProps) {
  useTitle(roomInfo.name === '' ? roomInfo.id : roomInfo.name);
  useWakeLock();
  const [dialog, setDialog] = useState<'none' | 'settings' | 'help'>('none');
  const [question, setQuestion] = useState<HostQuestion>({ type: 'none' });

  const { alone, sharing } = useRoomShape();
  const { layout, panel, inspectedKey, pinnedKey, ...arrange } = useArrangement(sharing);
  const { showPanel } = arrange;

  const { toasts, notify, presence, dismiss } = useToasts();
  const room = useRoomContext();
  const connection = useCurrent(room, CONNECTED, ({ state }) => state);
  const controls = useControls(notify);
  const me = room.localParticipant.identity;
  const desk = useDesk(roomInfo.id, session.token, notify);
  const [standing, control] = useStanding(session.control);
  const recording = useRecording(control, notify);
  const waiting = standing.moderates ? (control.waiting ?? 0) : 0;
  const keepsChat = roomInfo.keeps_chat === true && !session.encrypted;
  const chat = useChatLines({
    open: panel === 'chat',
    desk,
    keeps: keepsChat,
    deleted: control.deleted,
    identity: me,
  });
  const { reactions, react } = useReactions();
  useRoomNotices(session, notify, presence);
  useLobbyNotices(waiting, panel === 'people', notify);

  const link = inviteLink(window.location.origin, roomInfo.id, encryptionKey);

  const copy = async () => {
    const copied = await copyText(link);
    notify(copied ? 'Invite link copied' : `Copy this link: ${link}`, copied ? 'info' : 'problem');
  };
  const send = async (text: string) => {
    const sent = await chat.send(text);
    if (!sent) notify('Your message could not be sent. Try again.', 'problem');
    return sent;
  };

  const toggleHand = () => {
    desk.act(desk.raiseHand(me, !standing.handUp));
  };

  useShortcuts((action) => {
    switch (action) {
      case 'mic':
        return controls.toggleMic();
      case 'camera':
        return controls.toggleCamera();
      case 'share':
        return controls.canShare ? controls.toggleShare() : undefined;
      case 'hand':
        return toggleHand();
      case 'chat':
      case 'people':
        return arrange.togglePanel(action);
      case 'layout':
        return arrange.switchLayout();
      case 'copy':
        return void copy();
      case 'help':
        return setDialog('help');
      case 'close':
        return showPanel('none');
    }
  });

  const close = () => {
    showPanel('none');
  };
  const closeDialog = () => {
    setDialog('none');
  };
  return (
    <>
      <RoomFrame
        top={
          <TopBar
            roomId={roomInfo.id}
            roomName={roomInfo.name}
            encrypted={session.encrypted}
            joinedAt={session.joinedAt}
            layout={layout}
            onLayout={arrange.switchLayout}
            onCopy={() => void copy()}
            locked={control.entry?.locked ?? roomInfo.locked === true}
            recording={recording}
            onSettings={() => {
              setDialog('settings');
            }}
            onHost={
              standing.moderates
                ? () => {
                    setQuestion({ type: 'room' });
                  }
                : undefined
            }
          />
        }
        banner={isInterrupted(connection) ? <ReconnectingBanner /> : <AudioUnlock />}
        invite={alone && <InviteCard link={link} onCopy={() => void copy()} />}
        panel={
          panel === 'chat' ? (
            <ChatPanel
              key="chat"
              lines={chat.lines}
              missing={chat.missing}
              encrypted={session.encrypted}
              keeps={keepsChat}
              onDelete={
                standing.moderates && keepsChat
                  ? (id) => {
                      desk.act(desk.deleteMessage(id));
                    }
                  : undefined
              }
              onSend={send}
              onClose={close}
            />
          ) : panel === 'people' ? (
            <CurrentPeople
              key="people"
              desk={desk}
              moderates={standing.moderates}
              waiting={waiting}
              lobbyNews={control.lobbyNews}
              onAction={(person, action) => {
                if (action.type === 'remove') setQuestion({ type: 'remove', person });
                else carryOut(desk, person, action);
              }}
              onCopy={() => void copy()}
              onClose={close}
            />
          ) : inspectedKey !== undefined ? (
            <InspectedPicture
              key={inspectedKey}
              roomId={roomInfo.id}
              pictureKey={inspectedKey}
              token={session.token}
              onClose={close}
            />
          ) : undefined
        }
        controls={
          <ControlBar
            {...controls}
            panel={panel}
            unread={chat.unread}
            onMic={controls.toggleMic}
            onCamera={controls.toggleCamera}
            onShare={controls.toggleShare}
            handUp={standing.handUp}
            waiting={waiting}
            onHand={toggleHand}
            onReact={react}
            onPanel={showPanel}
            onLeave={onLeave}
          />
        }
        toasts={<Toasts toasts={toasts} onDismiss={dismiss} />}
      >
        <Tiles
          layout={layout}
          pinnedKey={pinnedKey}
          onPin={arrange.pin}
          onInspect={arrange.inspect}
        />
        <Reactions reactions={reactions} />
      </RoomFrame>
      <HostDialogs
        question={question}
        control={control}
        roomControl={session.control}
        desk={desk}
        controls={controls}
        recording={recording}
        encrypted={session.encrypted}
        onClose={() => {
          setQuestion({ type: 'none' });
        }}
      />
      {dialog === 'help' && <HelpDialog onClose={closeDialog} />}
      {dialog === 'settings' && (
        <SettingsDialog
          onHelp={() => {
            setDialog('help');
          }}
          onProblem={(error) => {
            notify(failureFromDevice(error, 'Device').title, 'problem');
          }}
          onClose={closeDialog}
        />
      )}
    </>
  );
}

function isInterrupted(state: ConnectionState): boolean {
  return state === ConnectionState.Reconnecting || state === ConnectionState.SignalReconnecting;
}

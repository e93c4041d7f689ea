import { RoomAudioRenderer, RoomContext, useConnectionState } from '@livekit/components-react';
import { ConnectionState } from 'livekit-client';
import { useCallback, useState } from 'react';
import type { RoomInfo } from '../api/types';
import { failureFromDevice } from '../media/livekitFailure';
import type { CallSession } from '../media/session';
import { inviteLink } from '../state/joinLink';
import { effectiveLayout, type LayoutChoice } from '../state/layout';
import { copyText } from '../ui/clipboard';
import { useTitle } from '../ui/PageShell';
import { AudioUnlock } from './AudioUnlock';
import { ChatPanel } from './ChatPanel';
import { CurrentPeople } from './CurrentPeople';
import { ControlBar, type Panel } from './ControlBar';
import { HelpDialog } from './HelpDialog';
import { InviteCard } from './InviteCard';
import { InspectedPicture } from './InspectedPicture';
import { ReconnectingBanner } from './ReconnectingBanner';
import { RoomFrame } from './RoomFrame';
import { SettingsDialog } from './SettingsDialog';
import { Tiles } from './Tiles';
import { Toasts } from './Toasts';
import { TopBar } from './TopBar';
import { useChatLines } from './useChatLines';
import { useControls } from './useControls';
import { useRoomShape } from './useRoomShape';
import { useRoomNotices } from './useRoomNotices';
import { useShortcuts } from './useShortcuts';
import { useToasts } from './useToasts';
import { useWakeLock } from './useWakeLock';

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
  const [panel, setPanel] = useState<Panel>('none');
  const [dialog, setDialog] = useState<'none' | 'settings' | 'help'>('none');
  const [layoutChoice, setLayoutChoice] = useState<LayoutChoice>('auto');
  const [pinnedKey, setPinnedKey] = useState<string>();
  const [inspectedKey, setInspectedKey] = useState<string>();

  const { toasts, notify, presence, dismiss } = useToasts();
  const connection = useConnectionState();
  const controls = useControls(notify);
  const chat = useChatLines(panel === 'chat');
  const { alone, sharing } = useRoomShape();
  useRoomNotices(session, notify, presence);

  const layout = effectiveLayout(layoutChoice, sharing);
  const link = inviteLink(window.location.origin, roomInfo.id, encryptionKey);

  const switchLayout = () => {
    setPinnedKey(undefined);
    setLayoutChoice(layout === 'grid' ? 'stage' : 'grid');
  };
  const pin = useCallback((key: string | undefined) => {
    setPinnedKey(key);
    setLayoutChoice(key === undefined ? 'auto' : 'stage');
  }, []);
  const copy = async () => {
    const copied = await copyText(link);
    notify(copied ? 'Invite link copied' : `Copy this link: ${link}`, copied ? 'info' : 'problem');
  };
  // One panel at a time: there is one place for it.
  const showPanel = useCallback((which: Panel) => {
    setInspectedKey(undefined);
    setPanel(which);
  }, []);
  const inspect = useCallback((key: string) => {
    setPanel('none');
    setInspectedKey((before) => (before === key ? undefined : key));
  }, []);
  const togglePanel = (which: Panel) => {
    showPanel(panel === which ? 'none' : which);
  };
  const send = async (text: string) => {
    const sent = await chat.send(text);
    if (!sent) notify('Your message could not be sent. Try again.', 'problem');
    return sent;
  };

  useShortcuts((action) => {
    switch (action) {
      case 'mic':
        return controls.toggleMic();
      case 'camera':
        return controls.toggleCamera();
      case 'share':
        return controls.canShare ? controls.toggleShare() : undefined;
      case 'chat':
      case 'people':
        return togglePanel(action);
      case 'layout':
        return switchLayout();
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
            onLayout={switchLayout}
            onCopy={() => void copy()}
          />
        }
        banner={isInterrupted(connection) ? <ReconnectingBanner /> : <AudioUnlock />}
        invite={alone && <InviteCard link={link} onCopy={() => void copy()} />}
        panel={
          panel === 'chat' ? (
            <ChatPanel
              key="chat"
              lines={chat.lines}
              encrypted={session.encrypted}
              onSend={send}
              onClose={close}
            />
          ) : panel === 'people' ? (
            <CurrentPeople key="people" onCopy={() => void copy()} onClose={close} />
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
            onPanel={showPanel}
            onSettings={() => {
              setDialog('settings');
            }}
            onLeave={onLeave}
          />
        }
        toasts={<Toasts toasts={toasts} onDismiss={dismiss} />}
      >
        <Tiles layout={layout} pinnedKey={pinnedKey} onPin={pin} onInspect={inspect} />
      </RoomFrame>
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

import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { ControlBar, type ControlBarProps } from './ControlBar';

function show(change: Partial<ControlBarProps> = {}) {
  const props: ControlBarProps = {
    micOn: true,
    cameraOn: true,
    sharing: false,
    canShare: true,
    panel: 'none',
    unread: 0,
    handUp: false,
    waiting: 0,
    onMic: vi.fn(),
    onCamera: vi.fn(),
    onShare: vi.fn(),
    onHand: vi.fn(),
    onReact: vi.fn(),
    onPanel: vi.fn(),
    onLeave: vi.fn(),
    ...change,
  };
  render(<ControlBar {...props} />);
  return props;
}

it('labels say what a press will do', () => {
  show({ micOn: false, sharing: true });
  expect(screen.getByTestId('control-mic')).toHaveAccessibleName('Unmute microphone');
  expect(screen.getByTestId('control-camera')).toHaveAccessibleName('Turn camera off');
  expect(screen.getByTestId('control-share')).toHaveAccessibleName('Stop sharing your screen');
});

it('phones, which cannot share a screen, are not offered it', () => {
  show({ canShare: false });
  expect(screen.queryByTestId('control-share')).toBeNull();
});

it('unread messages are seen and heard', () => {
  show({ unread: 120 });
  expect(screen.getByTestId('control-chat')).toHaveAccessibleName('Chat, 120 unread');
  expect(screen.getByText('99+')).toBeVisible();
});

it('pressing an open panel’s button closes it, the other one switches', async () => {
  const { onPanel } = show({ panel: 'chat' });
  await userEvent.click(screen.getByTestId('control-chat'));
  expect(onPanel).toHaveBeenLastCalledWith('none');
  await userEvent.click(screen.getByTestId('control-people'));
  expect(onPanel).toHaveBeenLastCalledWith('people');
});

it('somebody at the door is seen and heard', () => {
  show({ waiting: 2 });
  expect(screen.getByTestId('control-people')).toHaveAccessibleName('People, 2 waiting to come in');
});

it('a hand goes up and down; a reaction is two keys away', async () => {
  const { onHand, onReact } = show({ handUp: true });
  expect(screen.getByTestId('control-hand')).toHaveAccessibleName('Lower your hand');
  await userEvent.click(screen.getByTestId('control-hand'));
  expect(onHand).toHaveBeenCalledOnce();
  screen.getByTestId('control-react').focus();
  await userEvent.keyboard('{Enter}{ArrowRight}{Enter}');
  expect(onReact).toHaveBeenCalledExactlyOnceWith('👏');
});

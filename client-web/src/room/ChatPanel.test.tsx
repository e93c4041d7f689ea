import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import type { ChatLine } from '../state/chat';
import { ChatPanel } from './ChatPanel';

const hello: ChatLine = {
  id: '1',
  from: 'ada-7f3k',
  name: 'Ada',
  local: false,
  text: 'Hello https://example.org',
  at: 0,
};

function open(onSend = vi.fn(() => Promise.resolve(true)), lines: ChatLine[] = []) {
  render(<ChatPanel lines={lines} encrypted={false} onSend={onSend} onClose={() => undefined} />);
  return { onSend, input: screen.getByTestId<HTMLTextAreaElement>('chat-input') };
}

describe('the chat panel', () => {
  it('is ready to type into when it opens', () => {
    expect(open().input).toHaveFocus();
  });

  it('sends on Enter, breaks the line on Shift+Enter, and never sends blanks', async () => {
    const { onSend, input } = open();
    await userEvent.type(input, '   {Enter}');
    expect(onSend).not.toHaveBeenCalled();
    await userEvent.clear(input);
    await userEvent.type(input, 'one{Shift>}{Enter}{/Shift}two{Enter}');
    expect(onSend).toHaveBeenCalledExactlyOnceWith('one\ntwo');
    expect(input).toHaveValue('');
  });

  it('after a click on send the next message can be typed at once', async () => {
    const { onSend, input } = open();
    await userEvent.type(input, 'one');
    await userEvent.click(screen.getByTestId('chat-send'));
    expect(onSend).toHaveBeenCalledExactlyOnceWith('one');
    expect(input).toHaveFocus();
  });

  it('gives a message back that could not be sent', async () => {
    const { input } = open(vi.fn(() => Promise.resolve(false)));
    await userEvent.type(input, 'important{Enter}');
    expect(input).toHaveValue('important');
  });

  it('shows who said what, with links that lead out safely', () => {
    open(undefined, [hello]);
    expect(screen.getByTestId('chat-message')).toHaveAttribute('data-from', 'ada-7f3k');
    const link = screen.getByRole('link', { name: 'https://example.org' });
    expect(link).toHaveAttribute('rel', 'noopener noreferrer');
  });

  it('says that it may not be all', () => {
    render(
      <ChatPanel
        lines={[hello]}
        encrypted={false}
        keeps
        missing
        onSend={() => Promise.resolve(true)}
        onClose={() => undefined}
      />,
    );
    expect(screen.getByTestId('chat-missing')).toHaveTextContent('could not be read');
  });

  it('marks what was written before one came, and lets a host take a message away', async () => {
    const onDelete = vi.fn();
    render(
      <ChatPanel
        lines={[
          { ...hello, kept: true },
          { ...hello, id: '2', text: 'Just now' },
        ]}
        encrypted={false}
        keeps
        onDelete={onDelete}
        onSend={() => Promise.resolve(true)}
        onClose={() => undefined}
      />,
    );
    const log = screen.getByRole('log');
    expect(log.textContent).toMatch(/Written before.*example.org.*Since you joined.*Just now/);
    await userEvent.click(screen.getByRole('button', { name: /Delete for everybody: Just now/ }));
    expect(onDelete).toHaveBeenCalledExactlyOnceWith('2');
  });
});

import { Fragment, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react';
import { groupLines, linkify, type ChatGroup, type ChatLine } from '../state/chat';
import { Icon } from '../ui/Icon';
import { IconButton } from '../ui/IconButton';
import { SidePanel } from './SidePanel';

interface ChatPanelProps {
  lines: readonly ChatLine[];
  encrypted: boolean;
  /** The room keeps what is written here. */
  keeps?: boolean;
  /** What it keeps could not be read. */
  missing?: boolean;
  /** Takes a message away for everybody; for hosts. */
  onDelete?: ((id: string) => void) | undefined;
  /** Resolves to whether it went out; if not, the text stays to be sent again. */
  onSend: (text: string) => Promise<boolean>;
  onClose: () => void;
}

export function ChatPanel({ onSend, onClose, ...list }: ChatPanelProps) {
  return (
    <SidePanel title="Chat" onClose={onClose}>
      <MessageList {...list} />
      <Composer onSend={onSend} />
    </SidePanel>
  );
}

type MessageListProps = Omit<ChatPanelProps, 'onSend' | 'onClose'>;

function MessageList({
  lines,
  encrypted,
  keeps = false,
  missing = false,
  onDelete,
}: MessageListProps) {
  const groups = groupLines(lines);
  const lastKept = groups.findLastIndex((group) => group.kept);
  const ref = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  // Follow new messages, unless somebody has scrolled up to read.
  useLayoutEffect(() => {
    if (atEnd.current) ref.current?.scrollTo({ top: ref.current.scrollHeight });
  }, [lines]);
  return (
    <div
      ref={ref}
      className="chat-list"
      role="log"
      aria-label="Messages"
      // Focusable because it scrolls.
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      {missing && (
        <p className="chat-mark" data-testid="chat-missing">
          What else was written could not be read
        </p>
      )}
      {lines.length === 0 ? (
        <p className="empty">
          <Icon name="chat" size={28} />
          No messages yet.
          <br />
          {encrypted
            ? 'Messages are end-to-end encrypted and gone after the call.'
            : keeps
              ? 'Messages are seen by everybody here and kept for those who come later.'
              : 'Messages are seen by everybody here and gone after the call.'}
        </p>
      ) : (
        groups.map((group, index) => (
          <Fragment key={group.key}>
            {index === 0 && group.kept && (
              <p className="chat-mark" data-testid="chat-kept">
                Written before you came
              </p>
            )}
            <Group group={group} onDelete={onDelete} />
            {index === lastKept && <p className="chat-mark">Since you joined</p>}
          </Fragment>
        ))
      )}
    </div>
  );
}

function Group({ group, onDelete }: { group: ChatGroup } & Pick<ChatPanelProps, 'onDelete'>) {
  return (
    <section className={group.local ? 'chat-group chat-mine' : 'chat-group'}>
      <h3>
        <span>{group.local ? 'You' : group.name}</span>
        <time dateTime={new Date(group.at).toISOString()}>{clock(group.at)}</time>
      </h3>
      {group.lines.map((line) => (
        <p
          key={line.id}
          className="chat-line"
          data-testid="chat-message"
          data-from={line.from}
          data-kept={group.kept}
        >
          {linkify(line.text).map((part, index) =>
            part.type === 'text' ? (
              part.text
            ) : (
              <a key={index} href={part.href} target="_blank" rel="noopener noreferrer">
                {part.text}
              </a>
            ),
          )}
          {onDelete && (
            <IconButton
              className="chat-delete"
              icon="trash"
              iconSize={16}
              label={`Delete for everybody: ${line.text.slice(0, 40)}`}
              data-testid="chat-delete"
              onClick={() => {
                onDelete(line.id);
              }}
            />
          )}
        </p>
      ))}
    </section>
  );
}

function Composer({ onSend }: { onSend: (text: string) => Promise<boolean> }) {
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const send = async () => {
    const message = text.trim();
    if (message === '') return;
    // Cleared at once, so that the next message can be typed while this one travels.
    setText('');
    field.current?.focus();
    if (!(await onSend(message))) setText((typed) => (typed === '' ? message : typed));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method composes, Enter picks a word.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <textarea
        ref={field}
        rows={1}
        placeholder="Message everybody"
        aria-label="Message"
        maxLength={4000}
        value={text}
        data-testid="chat-input"
        data-autofocus
        onChange={(event) => {
          setText(event.target.value);
        }}
        onKeyDown={onKeyDown}
      />
      <IconButton
        type="submit"
        icon="send"
        iconSize={20}
        label="Send message"
        tone={text.trim() === '' ? 'plain' : 'active'}
        data-testid="chat-send"
      />
    </form>
  );
}

function clock(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: 'numeric', minute: '2-digit' });
}

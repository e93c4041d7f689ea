import type { CSSProperties } from 'react';
import { REACTIONS, reactionsInWords, type Reaction } from '../state/reactions';
import { Icon } from '../ui/Icon';
import { Menu } from '../ui/Menu';

/** Emojis on their way up; for ears one sentence. */
export function Reactions({ reactions }: { reactions: readonly Reaction[] }) {
  return (
    <>
      <div className="reactions" aria-hidden="true">
        {reactions.map(({ id, emoji, name, lane }) => (
          <span
            key={id}
            className="reaction"
            data-testid="reaction"
            style={{ '--lane': lane } as CSSProperties}
          >
            <span className="reaction-emoji">{emoji}</span>
            <span className="reaction-name">{name}</span>
          </span>
        ))}
      </div>
      {/* Always in the page: screen readers announce changes only in a region they already know. */}
      <p className="visually-hidden" role="status" aria-live="polite">
        {reactionsInWords(reactions)}
      </p>
    </>
  );
}

export function ReactionMenu({ onReact }: { onReact: (emoji: string) => void }) {
  return (
    <Menu
      label="Send a reaction"
      layout="row"
      testId="control-react"
      items={REACTIONS.map(({ emoji, label }) => ({
        label,
        emoji,
        testId: `react-${label.toLowerCase().replace(' ', '-')}`,
        onSelect: () => {
          onReact(emoji);
        },
      }))}
    >
      <Icon name="smile" />
    </Menu>
  );
}

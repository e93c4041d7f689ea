import { wishesInWords, type RoomWishes } from '../../state/newRoom';
import { Field } from '../../ui/Field';
import { Switches } from '../../ui/Switches';

interface RoomOptionsProps {
  wishes: RoomWishes;
  /** There are accounts, so a room can be for those who have one. */
  accounts: boolean;
  lasting: boolean;
  /** What the server cannot read it cannot keep. */
  encrypted: boolean;
  onChange: (wishes: RoomWishes) => void;
}

/** What few rooms need, folded away; a summary says what was chosen. */
export function RoomOptions({ wishes, accounts, lasting, encrypted, onChange }: RoomOptionsProps) {
  const set = (change: Partial<RoomWishes>) => {
    onChange({ ...wishes, ...change });
  };
  const chosen = wishesInWords(wishes);
  return (
    <details className="fold" data-testid="home-options">
      <summary>
        <span>Who gets in, what is kept</span>
        {chosen !== '' && <span className="fold-chosen">{chosen}</span>}
      </summary>
      <div className="fold-body">
        <Field
          label="Password (optional)"
          hint="Asked of everybody but you."
          type="text"
          maxLength={128}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={wishes.password}
          data-testid="home-password"
          onChange={(event) => {
            set({ password: event.target.value });
          }}
        />
        <Switches
          choices={CHOICES.filter(({ of }) => isOffered(of, { accounts, lasting, encrypted }))}
          values={wishes}
          onChange={set}
        />
      </div>
    </details>
  );
}

const CHOICES = [
  {
    of: 'lobby',
    label: 'Lobby',
    hint: 'People wait until you let them in.',
    testId: 'home-lobby',
  },
  {
    of: 'keepsChat',
    label: 'Keep the chat',
    hint: 'Who comes later can read what was written before.',
    testId: 'home-keeps-chat',
  },
  {
    of: 'recorded',
    label: 'Record every call',
    hint: 'From the first person on. Everybody sees that it is recorded.',
    testId: 'home-recorded',
  },
  {
    of: 'asksConsent',
    label: 'Ask for consent to recordings',
    hint: 'Who does not agree to be recorded does not join.',
    testId: 'home-asks-consent',
  },
  { of: 'membersOnly', label: 'Only people with an account', testId: 'home-members-only' },
  {
    of: 'lasting',
    label: 'Keep the room',
    hint: 'The link works again tomorrow, and you are its host.',
    testId: 'home-lasting',
  },
] as const;

type Offer = Pick<RoomOptionsProps, 'accounts' | 'lasting' | 'encrypted'>;

function isOffered(choice: (typeof CHOICES)[number]['of'], offer: Offer): boolean {
  switch (choice) {
    case 'lobby':
      return true;
    case 'keepsChat':
    case 'recorded':
    case 'asksConsent':
      return !offer.encrypted;
    case 'membersOnly':
      return offer.accounts;
    case 'lasting':
      return offer.lasting;
  }
}

import { wishesInWords, type RoomWishes } from '../../state/newRoom';
import { Field } from '../../ui/Field';
import { Switch } from '../../ui/Switch';

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
        <Switch
          label="Lobby"
          hint="People wait until you let them in."
          checked={wishes.lobby}
          onChange={(lobby) => {
            set({ lobby });
          }}
          testId="home-lobby"
        />
        {!encrypted && (
          <Switch
            label="Keep the chat"
            hint="Who comes later can read what was written before."
            checked={wishes.keepsChat}
            onChange={(keepsChat) => {
              set({ keepsChat });
            }}
            testId="home-keeps-chat"
          />
        )}
        {!encrypted && (
          <>
            <Switch
              label="Record every call"
              hint="From the first person on. Everybody sees that it is recorded."
              checked={wishes.recorded}
              onChange={(recorded) => {
                set({ recorded });
              }}
              testId="home-recorded"
            />
            <Switch
              label="Ask for consent to recordings"
              hint="Who does not agree to be recorded does not join."
              checked={wishes.asksConsent}
              onChange={(asksConsent) => {
                set({ asksConsent });
              }}
              testId="home-asks-consent"
            />
          </>
        )}
        {accounts && (
          <Switch
            label="Only people with an account"
            checked={wishes.membersOnly}
            onChange={(membersOnly) => {
              set({ membersOnly });
            }}
            testId="home-members-only"
          />
        )}
        {lasting && (
          <Switch
            label="Keep the room"
            hint="The link works again tomorrow, and you are its host."
            checked={wishes.lasting}
            onChange={(keep) => {
              set({ lasting: keep });
            }}
            testId="home-lasting"
          />
        )}
      </div>
    </details>
  );
}

import { useState } from 'react';
import { navigate } from '../../app/navigation';
import { parseJoinInput, roomPath, type JoinInput } from '../../state/joinLink';
import { Button } from '../../ui/Button';
import { Field } from '../../ui/Field';

type Refusal = Extract<JoinInput, { ok: false }>['reason'];

const REFUSALS: Record<Refusal, string> = {
  empty: 'Paste the link you were sent, or type its eight-character room id.',
  not_a_room:
    'That is not a room link or an eight-character room id. Check it for a missing letter.',
  other_server: 'That link belongs to another server. Open it in the address bar instead.',
};

export function JoinForm() {
  const [text, setText] = useState('');
  const [refusal, setRefusal] = useState<Refusal>();

  const join = () => {
    const input = parseJoinInput(text, window.location.origin);
    if (input.ok) navigate(roomPath(input.id, input.key));
    else setRefusal(input.reason);
  };

  return (
    <form
      className="join-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        join();
      }}
    >
      <Field
        label="Link or room id"
        placeholder="k3m9x2qa"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        value={text}
        error={refusal && REFUSALS[refusal]}
        data-testid="home-join-input"
        onChange={(event) => {
          setText(event.target.value);
          setRefusal(undefined);
        }}
      />
      <Button type="submit" icon="arrow" data-testid="home-join">
        Join
      </Button>
    </form>
  );
}

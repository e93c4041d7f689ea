import { Switch } from './Switch';

interface Choice<Key extends string> {
  of: Key;
  label: string;
  hint?: string;
  testId: string;
}

interface SwitchesProps<Key extends string> {
  choices: readonly Choice<Key>[];
  values: Readonly<Record<Key, boolean>>;
  onChange: (change: Partial<Record<Key, boolean>>) => void;
}

/** What of one thing is so or not so, a switch for each. */
export function Switches<Key extends string>({ choices, values, onChange }: SwitchesProps<Key>) {
  return choices.map(({ of, ...choice }) => (
    <Switch
      key={of}
      {...choice}
      checked={values[of]}
      onChange={(checked) => {
        onChange({ [of]: checked } as Partial<Record<Key, boolean>>);
      }}
    />
  ));
}

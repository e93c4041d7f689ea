import type { Waiting } from '../api/hosts';
import { Button } from '../ui/Button';
import { IconButton } from '../ui/IconButton';
import { Avatar } from './Avatar';

interface LobbySectionProps {
  waiting: readonly Waiting[];
  onAdmit: (ticket: string) => void;
  onRefuse: (ticket: string) => void;
  onAdmitAll: () => void;
}

/** Who stands at the door, in the order they came. */
export function LobbySection({ waiting, onAdmit, onRefuse, onAdmitAll }: LobbySectionProps) {
  if (waiting.length === 0) return null;
  return (
    <section className="lobby" aria-labelledby="lobby-heading" data-testid="lobby-panel">
      <header className="section-head">
        <h3 id="lobby-heading">Waiting to come in ({waiting.length})</h3>
        {waiting.length > 1 && (
          <Button
            look="quiet"
            className="button-small"
            onClick={({ currentTarget }) => {
              currentTarget.closest<HTMLElement>('[tabindex="-1"]')?.focus();
              onAdmitAll();
            }}
            data-testid="admit-all"
          >
            Admit all
          </Button>
        )}
      </header>
      <ul>
        {waiting.map(({ ticket, name, identity }) => (
          <li key={ticket} className="person" data-testid="lobby-row">
            <Avatar small name={name} identity={identity} />
            <span className="person-name">
              <span>{name}</span>
            </span>
            <IconButton
              icon="close"
              iconSize={18}
              label={`Refuse ${name}`}
              data-testid="lobby-refuse"
              onClick={({ currentTarget }) => {
                handOn(currentTarget);
                onRefuse(ticket);
              }}
            />
            <Button
              look="primary"
              className="button-small"
              aria-label={`Admit ${name}`}
              data-testid="lobby-admit"
              onClick={({ currentTarget }) => {
                handOn(currentTarget);
                onAdmit(ticket);
              }}
            >
              Admit
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The focus goes to the same button of the next one before this one is gone; after the last, to the panel. */
function handOn(button: HTMLButtonElement): void {
  const row = button.closest('li');
  const next = row?.nextElementSibling ?? row?.previousElementSibling;
  const same = next?.querySelector<HTMLElement>(`[data-testid="${button.dataset.testid ?? ''}"]`);
  (same ?? button.closest<HTMLElement>('[tabindex="-1"]'))?.focus();
}

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
            onClick={onAdmitAll}
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
              onClick={() => {
                onRefuse(ticket);
              }}
            />
            <Button
              look="primary"
              className="button-small"
              aria-label={`Admit ${name}`}
              data-testid="lobby-admit"
              onClick={() => {
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

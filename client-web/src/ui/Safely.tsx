import { Component, type ReactNode } from 'react';
import { Button } from './Button';
import { Icon } from './Icon';

interface SafelyProps {
  /** The address: another one is another try. */
  place?: string;
  /** Puts the card on a page. */
  frame?: (card: ReactNode) => ReactNode;
  children: ReactNode;
}

interface SafelyState {
  broken: boolean;
  place: string | undefined;
}

/**
 * A view that fails while it is drawn costs its page, never the whole tab: what is inside is taken down
 * (a call hangs up, devices go off), and a card says so.
 */
export class Safely extends Component<SafelyProps, SafelyState> {
  override state: SafelyState = { broken: false, place: this.props.place };

  static getDerivedStateFromError(): Partial<SafelyState> {
    return { broken: true };
  }

  static getDerivedStateFromProps({ place }: SafelyProps, state: SafelyState): SafelyState | null {
    return place === state.place ? null : { broken: false, place };
  }

  override render(): ReactNode {
    if (!this.state.broken) return this.props.children;
    return this.props.frame ? this.props.frame(<BrokenCard />) : <BrokenCard />;
  }
}

function BrokenCard() {
  return (
    <section className="outcome" role="alert" data-testid="broken">
      <div className="outcome-mark outcome-mark-problem">
        <Icon name="warning" size={28} />
      </div>
      <h1>This page stopped working</h1>
      <p>
        The mistake is ours, not yours. If you were in a call, camera and microphone are off now.
        Reload to go on.
      </p>
      <div className="outcome-actions">
        <Button
          look="primary"
          onClick={() => {
            window.location.reload();
          }}
        >
          Reload
        </Button>
      </div>
    </section>
  );
}

import { useCallback, useState } from 'react';
import { effectiveLayout, type LayoutChoice } from '../state/layout';
import type { Panel } from './ControlBar';

export interface Arrangement {
  layout: 'grid' | 'stage';
  panel: Panel;
  /** Whose picture the panel explains, if it does. */
  inspectedKey: string | undefined;
  pinnedKey: string | undefined;
  showPanel: (which: Panel) => void;
  togglePanel: (which: Panel) => void;
  inspect: (key: string) => void;
  pin: (key: string | undefined) => void;
  switchLayout: () => void;
}

/** How one has arranged one's own view: layout, pinned tile, open panel. */
export function useArrangement(sharing: boolean): Arrangement {
  const [panel, setPanel] = useState<Panel>('none');
  const [layoutChoice, setLayoutChoice] = useState<LayoutChoice>('auto');
  const [pinnedKey, setPinnedKey] = useState<string>();
  const [inspectedKey, setInspectedKey] = useState<string>();
  const layout = effectiveLayout(layoutChoice, sharing);

  const pin = useCallback((key: string | undefined) => {
    setPinnedKey(key);
    setLayoutChoice(key === undefined ? 'auto' : 'stage');
  }, []);
  // One panel at a time: there is one place for it.
  const showPanel = useCallback((which: Panel) => {
    setInspectedKey(undefined);
    setPanel(which);
  }, []);
  const inspect = useCallback((key: string) => {
    setPanel('none');
    setInspectedKey((before) => (before === key ? undefined : key));
  }, []);
  return {
    layout,
    panel,
    inspectedKey,
    pinnedKey,
    showPanel,
    togglePanel: (which) => {
      showPanel(panel === which ? 'none' : which);
    },
    inspect,
    pin,
    switchLayout: () => {
      setPinnedKey(undefined);
      setLayoutChoice(layout === 'grid' ? 'stage' : 'grid');
    },
  };
}

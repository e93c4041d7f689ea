import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { Safely } from './ui/Safely';
import { followTheme } from './ui/theme';
import './styles/index.css';

followTheme();

const root = document.getElementById('root');
if (!root) throw new Error('index.html has an element with the id "root"');
createRoot(root).render(
  <StrictMode>
    <Safely>
      <App />
    </Safely>
  </StrictMode>,
);

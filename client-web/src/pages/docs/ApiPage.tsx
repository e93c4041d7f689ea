import { useEffect } from 'react';
import { apiDocument } from '../../api/history';
import { readDocument, type ApiDocument } from '../../state/openapi';
import { AccessNote } from '../../ui/AccessNote';
import { PageShell } from '../../ui/PageShell';
import { useLoad } from '../../ui/useLoad';
import { Opening } from '../Opening';
import { OperationView } from './OperationView';
import { Prose } from './Words';
import '../../styles/reference.css';

const ask = async () => readDocument(await apiDocument());

/** The API in words, from the document this server gives. Nothing is fetched from elsewhere. */
export default function ApiPage() {
  const [loaded] = useLoad(ask);
  return (
    <PageShell title="API" wide>
      {loaded.status === 'failed' && <AccessNote error={loaded.error} />}
      {loaded.status === 'waiting' && <Opening text="Reading the document…" />}
      {loaded.status === 'ready' && <Reference document={loaded.value} />}
    </PageShell>
  );
}

function Reference({ document }: { document: ApiDocument }) {
  useEffect(() => {
    // The browser looked for it before the document was here.
    const id = window.location.hash.slice(1);
    if (id === '') return;
    unfold(id);
    window.document.getElementById(id)?.scrollIntoView();
  }, []);
  return (
    <div className="reference" data-testid="api-reference">
      <nav className="reference-nav" aria-label="API">
        <ul>
          {document.groups.map((group) => (
            <li key={group.name}>
              <a href={`#${anchor(group.name)}`}>{group.name}</a>
              <ul>
                {group.operations.map((operation) => (
                  <li key={operation.id}>
                    <a
                      href={`#${operation.id}`}
                      onClick={() => {
                        unfold(operation.id);
                      }}
                    >
                      <span className="method-small">{operation.method}</span>{' '}
                      {operation.path.replace(/^\/api/, '')}
                    </a>
                  </li>
                ))}
              </ul>
            </li>
          ))}
        </ul>
      </nav>
      <div className="reference-body">
        <header>
          <h1>{/\bAPI\b/.test(document.title) ? document.title : `${document.title} API`}</h1>
          <p className="empty">
            Version {document.version}. The document itself:{' '}
            <a href="/api/openapi.json">/api/openapi.json</a>
          </p>
          {document.description !== '' && <Prose text={document.description} />}
        </header>
        {document.groups.map((group) => (
          <section key={group.name} className="block" aria-labelledby={anchor(group.name)}>
            <h2 id={anchor(group.name)}>{group.name}</h2>
            {group.description !== '' && <Prose text={group.description} />}
            {group.operations.map((operation) => (
              <OperationView key={operation.id} operation={operation} />
            ))}
          </section>
        ))}
      </div>
    </div>
  );
}

/** Who follows a link to an operation wants to read it. */
function unfold(id: string): void {
  const operation = window.document.getElementById(id);
  if (operation instanceof HTMLDetailsElement) operation.open = true;
}

function anchor(name: string): string {
  return `group-${name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
}

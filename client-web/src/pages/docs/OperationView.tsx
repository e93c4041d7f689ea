import type { Field, Operation, Shape } from '../../state/openapi';
import { Prose, Words } from './Words';

/** One thing the API does: folded to a line, unfolded to all there is to know. */
export function OperationView({ operation }: { operation: Operation }) {
  const { id, method, path, summary, description, security, parameters, body, responses } =
    operation;
  return (
    <details id={id} className="operation" data-testid="operation">
      <summary>
        <span className={`method method-${method.toLowerCase()}`}>{method}</span>
        <code className="operation-path">{path}</code>
        <span className="operation-summary">{summary}</span>
      </summary>
      <div className="operation-body">
        {description !== '' && description !== summary && <Prose text={description} />}
        {security && <p className="empty">{securityInWords(security)}</p>}
        {parameters.length > 0 && (
          <section>
            <h3>Parameters</h3>
            <FieldList
              fields={parameters.map((one) => ({
                ...one,
                type: `${one.type}, in ${one.in}`,
                fields: [],
              }))}
            />
          </section>
        )}
        {body && (
          <section>
            <h3>Body</h3>
            <ShapeView shape={body} />
          </section>
        )}
        <section>
          <h3>Answers</h3>
          {responses.map((response) => (
            <div key={response.status} className="answer">
              <p>
                <code className="status">{response.status}</code>{' '}
                <Words text={response.description} />
              </p>
              {response.shape && <ShapeView shape={response.shape} />}
            </div>
          ))}
        </section>
      </div>
    </details>
  );
}

function securityInWords({ ways, optional }: NonNullable<Operation['security']>): string {
  if (ways.length === 0) return 'Needs no token.';
  const token = `a token (${ways.join(', ')})`;
  return optional ? `May be asked with ${token} or without.` : `Needs ${token}.`;
}

function ShapeView({ shape }: { shape: Shape }) {
  return (
    <>
      <p>
        <code>{shape.type}</code>
      </p>
      {shape.fields.length > 0 && <FieldList fields={shape.fields} />}
    </>
  );
}

function FieldList({ fields }: { fields: readonly Field[] }) {
  return (
    <ul className="fields">
      {fields.map((field) => (
        <li key={field.name}>
          <code>{field.name}</code> <span className="field-type">{field.type}</span>
          {field.required && <span className="tag">required</span>}
          {field.description !== '' && (
            <p className="field-hint">
              <Words text={field.description} />
            </p>
          )}
          {field.fields.length > 0 && <FieldList fields={field.fields} />}
        </li>
      ))}
    </ul>
  );
}

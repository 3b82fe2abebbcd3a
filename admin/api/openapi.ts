import { z } from 'zod';
import { version } from '../../gateway/version.js';
import type { AdminRoute } from '../route.js';

/** The OpenAPI document of the operator's listener, made from its routes. */
export function openApiOf(routes: readonly AdminRoute[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: "Encke: the operator's listener",
      version,
      description: 'Names in a path stand for all that follows, percent-encoded, slashes included.',
    },
    paths,
    security: [{ token: [] }, {}],
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  };
}

function operationOf({ path, summary, query, body, shape, isProbe }: AdminRoute): object {
  const name = /\{(.*)\}/.exec(path)?.[1];
  const inPath = name === undefined ? [] : [{ name, in: 'path', required: true, schema: { type: 'string' } }];
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, member]) => {
    const schema = schemaOf(member as z.ZodType, 'input');
    return { name, in: 'query', required: false, schema };
  });
  const good =
    shape === undefined
      ? { 'text/plain': {} }
      : { 'application/json': { schema: schemaOf(shape, 'output') } };
  return {
    summary,
    ...(isProbe && { security: [] }),
    ...(inPath.length + inQuery.length > 0 && { parameters: [...inPath, ...inQuery] }),
    ...(body && { requestBody: { content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
    responses: {
      200: { description: 'Done', content: good },
      default: { description: 'A sentence that says what is wrong', content: { 'text/plain': {} } },
    },
  };
}

function schemaOf(shape: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _schema, ...schema } = z.toJSONSchema(shape, { io, unrepresentable: 'any' });
  return schema;
}

/** Where to go next: everything a newcomer needs is these lines. */
export function welcome(url: string, apiUrl: string, tokenRequired: boolean): string {
  const token = tokenRequired ? `-H 'Authorization: Bearer <token>' ` : '';
  return `
  Encke is up.

    gateway     ${url}
    router API  ${apiUrl}

  Open  ${url}/test/123  in a browser, and then try:

    curl ${token}-d 'Hello World' ${apiUrl}/send/123

`;
}

/**
 * The head of all pages. The page's policy has hashes of style and script (see pagePolicy). The icon is empty:
 * otherwise a browser also requests /favicon.ico, and an open page costs two requests.
 * @param title escaped
 */
export function pageHead(title: string, style: string, script?: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${style}</style>${script === undefined ? '' : `\n<script>${script}</script>`}
</head>`;
}

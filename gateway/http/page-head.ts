/**
 * Of all pages. Style and script are in the page's policy by their hashes (see pagePolicy). The icon is empty: without a word of it a browser asks for /favicon.ico besides, and a page that stays
 * open costs two requests.
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

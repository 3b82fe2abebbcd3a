/**
 * The script of the Comet page. The browser parses the document as it comes, so this stands at its head and watches: the
 * newest message stays in sight for a reader who is at the end of the page, and once the stream has ended, the page
 * says so. Of a connection that breaks, Chromium tells a page nothing (no event, and `readyState` stays `loading`), so
 * that is known by the heartbeats that stay away. It never looks at what a message says.
 */
export const cometScript = `
  const page = document.documentElement;
  const nearEndPx = 48;
  let follows = true;
  let silence;

  function follow() {
    if (follows) scrollTo(0, page.scrollHeight);
  }

  function note(text) {
    const given = document.getElementById('ended');
    if (text === undefined) return given?.remove();
    if (given !== null) return;
    const said = document.createElement('p');
    said.id = 'ended';
    said.setAttribute('role', 'status');
    said.textContent = text + ' Reload this page to log in again.';
    document.body.append(said);
  }

  function came() {
    follow();
    clearTimeout(silence);
    if (document.readyState !== 'loading') return;
    note();
    const sec = Number(document.querySelector('main')?.dataset.silenceSec);
    if (sec > 0) silence = setTimeout(() => note('The connection is lost: nothing has come for ' + sec + ' s.'), sec * 1000);
  }

  const watcher = new MutationObserver((changes) => {
    if (changes.some(({ target }) => target !== document.body)) came();
    else follow();
  });
  watcher.observe(page, { childList: true, characterData: true, subtree: true });
  addEventListener('scroll', () => { follows = innerHeight + scrollY >= page.scrollHeight - nearEndPx; }, { passive: true });
  addEventListener('resize', follow);
  document.addEventListener('readystatechange', () => {
    clearTimeout(silence);
    note();
    note('The connection has ended: nothing more will appear here.');
  });
`;

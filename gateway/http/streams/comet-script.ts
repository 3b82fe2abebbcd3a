/**
 * The script of the Comet page, in its head. It keeps the newest message in sight for a reader who is at the end of the
 * page, and says when the stream has ended. Chromium does not tell a page about a broken connection (no event, and
 * `readyState` stays `loading`), so missing heartbeats show it. The script never reads messages.
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

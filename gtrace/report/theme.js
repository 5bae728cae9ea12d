// The page's two themes: which is in use, who chooses it, and that paper is light.

const STORED_AS = 'gtrace-theme';
const TOKENS = ['ink', 'muted', 'rule', 'page', 'accent'];

/** The theme the style sheet has in use, and its colours by name. @returns {{name: string, tokens: Record<string, string>}} */
export function themeNow() {
  const style = getComputedStyle(document.documentElement);
  const tokens = Object.fromEntries(TOKENS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  return { name: document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light', tokens };
}

/** Storage may be refused: a choice then lasts as long as the page. */
function chosen() { try { return localStorage.getItem(STORED_AS); } catch { return null; } }
function choose(theme) { try { localStorage.setItem(STORED_AS, theme); } catch { /* as above */ } }

/**
 * Changes the theme on the button's click, with the system until someone chose, and for print.
 * @param {HTMLElement} button
 * @param {() => void} changed told after each change
 */
export function connectTheme(button, changed) {
  const root = document.documentElement;
  const apply = (theme) => { root.dataset.theme = theme; changed(); };
  button.addEventListener('click', () => {
    const theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
    choose(theme);
    apply(theme);
  });
  let before = 'light';
  window.addEventListener('beforeprint', () => { before = root.dataset.theme; if (before === 'dark') apply('light'); });
  window.addEventListener('afterprint', () => { if (before === 'dark') apply('dark'); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) => { if (!chosen()) apply(event.matches ? 'dark' : 'light'); });
}

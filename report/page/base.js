// What every part of the page uses: data, the address, the tip at the pointer.
const $ = id => document.getElementById(id);
const element = (name, attributes = {}, ...children) => {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) if (v !== undefined && v !== null && v !== false) e.setAttribute(k, v === true ? '' : v);
  e.append(...children);
  return e;
};
const count = n => n.toLocaleString('en');
const plural = (n, noun) => count(n) + ' ' + noun + (n === 1 ? '' : 's');
// By `ordeal serve`, which answers questions of those who show the pass that it gave.
const served = document.documentElement.hasAttribute('data-served'), pass = document.documentElement.dataset.served;

// Data is JSON, compressed, in base64: it is unpacked when somebody looks.
const inflate = async text => {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
};
const data = id => JSON.parse($(id).textContent);
const unpack = id => inflate(data(id));

// The address after # holds what is in view, so that it can be sent to a colleague.
let state = new URLSearchParams();
const watchers = [];
const read = () => {
  const hash = location.hash.slice(1);
  return new URLSearchParams(hash.includes('=') ? hash : '');
};
const notify = () => { for (const w of watchers) w(); };
const go = changes => {
  for (const [k, v] of Object.entries(changes)) if (v === '' || v === null || v === undefined) state.delete(k); else state.set(k, v);
  history.replaceState(null, '', state.size ? '#' + state : location.pathname + location.search);
  notify();
};
const short = seconds => String(Math.round(seconds * 1e6) / 1e6);

// What a mark says of itself: its title, shown at once, and for the keyboard too.
const tip = $('tip');
const said = new WeakMap();
const words = mark => {
  if (!said.has(mark)) {
    const title = mark.querySelector(':scope > title');
    if (!title) return '';
    said.set(mark, title.textContent);
    title.remove(); // or the browser would show its own as well, later
  }
  return said.get(mark);
};
const markAt = target => {
  for (let e = target; e && e.nodeType === 1 && e !== document.body; e = e.parentNode) {
    if (e instanceof SVGElement && (said.has(e) || e.querySelector(':scope > title'))) return e;
  }
  return null;
};
const show = (text, x, y) => {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 6)) + 'px';
  tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 10) : y + 18) + 'px';
};
const hide = () => { tip.hidden = true; };
document.addEventListener('pointermove', e => {
  if (e.target.id === 'lanes') return; // says for itself
  const mark = markAt(e.target);
  const text = mark && words(mark);
  if (text) show(text, e.clientX, e.clientY); else hide();
});
document.addEventListener('pointerleave', hide);
document.addEventListener('focusin', e => {
  const keyboard = e.target.matches(':focus-visible'), mark = keyboard && markAt(e.target), box = e.target.getBoundingClientRect();
  if (mark) show(words(mark), box.left, box.bottom - 10);
  else if (keyboard && e.target.matches('svg.draw')) show(e.target.getAttribute('aria-label') + '\nThe arrow keys go from mark to mark.', box.left, box.top + 10);
  else hide();
});
document.addEventListener('focusout', hide);
document.addEventListener('keydown', e => { if (e.key === 'Escape') hide(); });

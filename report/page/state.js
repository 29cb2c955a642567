// What is in view of the run.
// In its address view is the section, and
//   t        the stretch of time, in seconds: 1.5-2.5
//   at       a chosen moment
//   key client outcome f q op    which operations, and the one chosen, by its event
//   node grep                    which lines of the logs
//   keys verdict sort            which keys of the table
//   picture                      the key that porcupine's picture is of
const scrollTo = id => { const e = $(id); if (e) e.scrollIntoView(); };
const follow = () => {
  if (location.hash.includes('=')) {
    state = read();
    notify();
    scrollTo(state.get('view'));
    return;
  }
  let id = '';
  try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; } // an address that somebody cut
  const target = id && $(id), folded = target && target.closest('details:not([open])');
  if (folded) { folded.open = true; target.scrollIntoView(); }
};
addEventListener('hashchange', follow);
addEventListener('beforeprint', () => { for (const d of document.querySelectorAll('details.proof')) d.open = true; });

// Time in view: [from, to] in seconds.
const length = Number($('plots').querySelector('.wide').dataset.seconds);
const span = () => {
  const m = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(state.get('t') || '');
  if (!m) return [0, length];
  const from = Math.min(Number(m[1]), length), to = Math.min(Number(m[2]), length);
  return to > from ? [from, to] : [0, length];
};
const spanText = (from, to) => {
  from = Math.max(0, from); to = Math.min(length, to);
  return from <= 0 && to >= length ? '' : short(from) + '-' + short(to);
};
// zoomed is the stretch made shorter by the factor around a moment that stays where it is.
const zoomed = ([from, to], factor, middle, least) => {
  const wide = Math.min(Math.max((to - from) / factor, least), length);
  const share = (middle - from) / (to - from);
  const start = Math.min(Math.max(middle - share * wide, 0), length - wide);
  return [start, start + wide];
};

// A chosen moment, and where one can look at it.
const pill = $('moment');
watchers.push(() => {
  const at = state.get('at');
  pill.hidden = at === null;
  if (at === null) return;
  $('moment-at').textContent = Number(at).toFixed(3) + ' s';
});
$('moment-logs').addEventListener('click', () => { go({ view: 'logs' }); scrollTo('logs'); });
$('moment-clients').addEventListener('click', () => {
  const at = Number(state.get('at')), half = Math.min(length, Math.max(length / 200, 0.02));
  go({ view: 'clients', t: spanText(at - half, at + half) });
  scrollTo('clients');
});
$('moment-close').addEventListener('click', () => go({ at: null }));

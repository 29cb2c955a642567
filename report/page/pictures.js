// Porcupine's pictures, in a frame of an origin of its own. Those that the page holds, and where the page is served, any.
const pictures = data('pictures-data');
const canPicture = key => served || pictures.some(p => p.key === key);
{
  const frame = $('porcupine'), choice = $('picture-key');
  let shown = null;
  const update = async () => {
    const key = state.get('picture') ?? (pictures[0] && pictures[0].key);
    if (key === undefined || key === shown) return;
    shown = key;
    const held = pictures.find(p => p.key === key);
    if (!held && !served) {
      $('picture-note').textContent = 'The picture of this key is not in the page: open the run in `ordeal serve` to see it.';
      return;
    }
    $('picture-name').textContent = key;
    choice.value = held ? key : '';
    if (!held) {
      $('picture-note').textContent = '';
      frame.style.height = '640px';
      frame.removeAttribute('srcdoc');
      frame.src = 'picture?key=' + encodeURIComponent(key);
      return;
    }
    const page = await inflate(held.html);
    if (key !== shown) return; // another was asked for meanwhile
    $('picture-note').textContent = held.note;
    frame.style.height = held.height + 'px';
    frame.srcdoc = page;
  };
  if (frame) {
    choice.append(...pictures.map(p => element('option', { value: p.key }, p.key || '(no name)')));
    choice.addEventListener('change', () => go({ view: 'picture', picture: choice.value }));
    // It is drawn when it comes near the view.
    let near = false;
    watchers.push(() => { if (near || state.get('picture') !== null) update(); });
    new IntersectionObserver((entries, self) => {
      if (!entries.some(e => e.isIntersecting)) return;
      near = true;
      self.disconnect();
      update();
    }, { rootMargin: '600px' }).observe(frame);
  }
}

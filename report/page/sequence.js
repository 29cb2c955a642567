// The keyboard's way through the drawings of a run that was made small. What says nothing of itself is named by what stands beside it.
for (const drawing of document.querySelectorAll('.sequence-body')) {
  for (const mark of drawing.querySelectorAll('g')) {
    const title = mark.querySelector(':scope > * > title'), name = mark.querySelector('.name');
    if (title) mark.prepend(title);
    else if (name) said.set(mark, name.textContent);
  }
  rove(drawing, marksIn(drawing, 'g'));
}

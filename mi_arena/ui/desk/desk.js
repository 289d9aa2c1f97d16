// A desk in the browser: sends every action to the server one after the other, and shows what comes
// back. Nothing is decided here. Gradio runs this with `element`, `server` and `watch`.
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const CODE_KEYS = /^[a-z]$/;

let told = null, view = null, version = null, here = [0, 0], cutting = null;
let line = Promise.resolve(), turn = 0, timers = {}, busy = null, counted = {};

const all = (selector) => [...element.querySelectorAll(selector)];
const one = (selector) => element.querySelector(selector);

function start() {
  turn += 1;
  const shell = one('[data-desk]');
  if (!shell) { told = null; return; }
  told = JSON.parse(shell.dataset.desk);
  shell.outerHTML = '<div class="desk"><div class="desk-busy" role="status" hidden></div>' +
    '<p class="desk-say" role="status"></p><div class="desk-note"></div>' +
    '<div class="desk-page"></div></div>';
  one('.desk-busy').textContent = told.busy;
  view = kept() || told.home;
  version = null;
  counted = {};
  send({ do: 'open' });
}

// Another member in the same tab begins at home, not where the last one stood.
const storageKey = () => `mi-arena-desk ${told.home} ${(told.session.member || '').split('.')[0]}`;

function kept() {
  try { return sessionStorage.getItem(storageKey()); } catch { return null; }
}

function keep(value) {
  view = value;
  try { sessionStorage.setItem(storageKey(), value); } catch { /* a private window */ }
}

// ---- to the server and back

function send(message) {
  const mine = turn, there = { view, id: crypto.getRandomValues(new Uint32Array(2)).join('-') };
  line = line.then(async () => {
    if (mine !== turn || !told) return;
    waiting(true);
    const answer = await asked({ ...there, ...message, session: told.session, version });
    waiting(false);
    if (mine !== turn) return;
    if (!answer) { lost(); return; }
    // What was asked for of the page that is left behind is done; of what comes now, nothing was.
    if (message.do === 'open') turn += 1;
    take(answer);
  }).catch((error) => { waiting(false); console.error(error); });
  return line;
}

// Gradio's client resolves to undefined where a call failed. A call that is made again says so, as
// its first time may have arrived.
async function asked(message) {
  for (let attempt = 0; ; attempt += 1) {
    let answer;
    try { answer = await server.desk({ ...message, again: attempt > 0 }); } catch { /* as below */ }
    if (answer) return answer;
    if (attempt >= RETRY_MS.length) return null;
    const bar = one('.desk-busy');
    if (bar) { bar.hidden = false; bar.textContent = told.offline; }
    await new Promise((done) => setTimeout(done, RETRY_MS[attempt]));
  }
}

// The server stays away: nothing more is taken that could not be kept.
function lost() {
  turn += 1;
  counted = {};
  note(`<div class="note bad" role="alert">${told.lost} <button type="button" data-open="${view}" data-key="reload">${told.reload}</button></div>`);
}

function waiting(yes) {
  clearTimeout(busy);
  const bar = one('.desk-busy');
  if (!bar) return;
  if (yes) busy = setTimeout(() => { bar.hidden = false; }, 400);
  else { bar.hidden = true; bar.textContent = told.busy; }
}

function take(answer) {
  if (answer.view) { if (answer.view !== view) counted = {}; keep(answer.view); }
  if ('version' in answer) version = answer.version;
  const held = document.activeElement && document.activeElement.closest
    ? document.activeElement.closest('[data-key]') : null;
  const key = held && element.contains(held) ? held.dataset.key : null;
  // What was asked for before this came was meant for a page that is no longer true.
  if (answer.stale) { turn += 1; counted = {}; }
  if ('html' in answer) {
    cutting = null;
    one('.desk-page').innerHTML = answer.html;
    here = firstOpen();
    if (!key || !focusKey(key)) { const head = one('.desk-page h2'); if (head && key !== null) head.focus(); }
  }
  for (const [name, html] of Object.entries(answer.parts || {})) {
    const part = one(`[data-part="${name}"]`);
    const typing = part && part.contains(document.activeElement) && document.activeElement.matches('input:not([type=radio]), textarea');
    if (part && !typing) part.outerHTML = html;
  }
  showCounts();
  if (cutting) { if (at(here) && at(here).dataset.text === cutting.text) paintCut(); else cutting = null; }
  if (answer.parts && key) focusKey(key);
  if ('note' in answer) note(answer.note);
  else if ('html' in answer) note('');
  if (answer.say) one('.desk-say').textContent = answer.say;
  mark(false);
  moreOfRows();
}

function note(html) {
  const place = one('.desk-note');
  place.innerHTML = html;
  if (html) place.scrollIntoView({ block: 'nearest' });
}

function focusKey(key) {
  const found = one(`[data-key="${CSS.escape(key)}"]`);
  if (found) found.focus({ preventScroll: true });
  return Boolean(found);
}

// ---- utterances: where the rater is, and their keys

const at = ([volley, utterance]) => one(`.utterance[data-volley="${volley}"][data-utterance="${utterance}"]`);
const place = (node) => [Number(node.dataset.volley), Number(node.dataset.utterance)];

function firstOpen() {
  const open = all('.utterance').find((node) => !node.dataset.code);
  return open ? place(open) : [0, 0];
}

function mark(focus) {
  for (const node of all('.utterance')) { node.tabIndex = -1; node.removeAttribute('aria-current'); node.ariaSelected = 'false'; }
  let node = at(here);
  if (!node) { const some = all('.utterance'); node = some.find((n) => Number(n.dataset.volley) >= here[0]) || some[0]; }
  if (!node) return;
  here = place(node);
  node.tabIndex = 0;
  node.setAttribute('aria-current', 'true');
  node.ariaSelected = 'true';
  for (const chip of all('.chip[data-code]')) chip.setAttribute('aria-pressed', String(chip.dataset.code === node.dataset.code));
  if (focus) { node.focus({ preventScroll: true }); node.scrollIntoView({ block: 'nearest', behavior: 'instant' }); }
}

function move(by) {
  const some = all('.utterance');
  const next = some[some.indexOf(at(here)) + by];
  if (next) { here = place(next); mark(true); }
}

function moveToOpen() {
  const some = all('.utterance');
  const from = some.indexOf(at(here));
  const next = [...some.slice(from + 1), ...some.slice(0, from)].find((node) => !node.dataset.code);
  if (next) { here = place(next); mark(true); }
}

// On a phone the rows at the foot scroll sideways: which way there is more is shown.
function more(row) {
  const left = row.scrollLeft > 4, right = row.scrollLeft + row.clientWidth < row.scrollWidth - 4;
  row.dataset.more = left && right ? 'both' : left ? 'left' : right ? 'right' : '';
}

const moreOfRows = () => all('.codebar :is(.palette, .tools)').forEach(more);
element.addEventListener('scroll', (event) => { if (event.target.closest('.codebar')) more(event.target); }, true);
window.addEventListener('resize', moreOfRows);

const change = (what) => send({ do: 'change', change: what });
const target = () => ({ volley: here[0], utterance: here[1] });

function code(value) {
  if (cutting) endCut(false);
  if (!at(here)) return;
  change({ do: 'code', ...target(), code: value });
  if (value !== null) move(1);
}

// A suggestion is never taken without being asked for, one utterance at a time.
function accept() {
  const hint = at(here) && at(here).dataset.hint;
  if (hint === undefined) return;
  code(hint === '' ? null : hint);
  if (hint === '') move(1);
}

// ---- totals: an answer to an earlier change must not show an older total than the reader's

const countField = (name) => one(`input[data-count="${name}"]`);

function count(name, value) {
  counted[name] = value;
  showCounts();
  change({ do: 'count', code: name, value }).then(() => { if (counted[name] === value) delete counted[name]; });
}

function valid(field, yes) {
  field.ariaInvalid = yes ? null : 'true';
  note(one('[aria-invalid=true]') ? `<p class="note bad" role="alert">${told.badCount}</p>` : '');
}

function showCounts() {
  for (const [name, value] of Object.entries(counted)) {
    const field = countField(name);
    if (field && field !== document.activeElement) field.value = value === null ? '' : value;
  }
}

// ---- cutting: a caret inside the utterance, moved by arrows or a tap

function cut() {
  const node = at(here);
  if (!node || node.dataset.fixed) return;
  // Places count characters, as the server does, not UTF-16 units.
  const text = node.dataset.text;
  cutting = { text, at: likelyCut([...text]) };
  paintCut();
}

// After the mark nearest to the middle, as a thought ends there more often than inside a word.
function likelyCut(letters) {
  const middle = letters.length / 2;
  const ends = letters.map((_, index) => index).filter((index) => index > 0 && /[，、：；,:;]/.test(letters[index - 1]));
  return ends.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle))[0] ?? Math.ceil(middle);
}

function paintCut() {
  const node = at(here);
  const letters = [...cutting.text];
  const box = document.createElement('span');
  box.className = 'cutting';
  letters.forEach((letter, index) => {
    const span = document.createElement('span');
    span.textContent = letter;
    span.dataset.before = index;
    if (index === cutting.at) span.className = 'caret';
    box.append(span);
  });
  const words = node.querySelector('.words');
  words.replaceChildren(box);
  node.classList.add('is-cutting');
  one('.cut-tools').hidden = false;
  moreOfRows();
}

function endCut(apply) {
  const node = at(here);
  const { text, at: index } = cutting;
  cutting = null;
  one('.cut-tools').hidden = true;
  moreOfRows();
  node.classList.remove('is-cutting');
  node.querySelector('.words').textContent = text;
  if (apply) change({ do: 'split', ...target(), at: index });
  mark(true);
}

// ---- what the reader does

element.addEventListener('click', (event) => {
  const node = event.target.closest('[data-before], [data-open], [data-do], [data-step], .utterance, .chip, .tool');
  if (!node || !element.contains(node) || !told) return;
  if (node.dataset.before !== undefined && cutting) {
    cutting.at = Math.max(1, Number(node.dataset.before));
    paintCut();
  } else if (node.dataset.open) {
    flush();
    send({ do: 'open', view: node.dataset.open }).then(() => { const head = one('.desk-page h2'); if (head) { head.focus(); head.scrollIntoView({ block: 'start' }); } });
  } else if (node.classList.contains('utterance')) {
    if (cutting) return;
    here = place(node);
    mark(true);
  } else if (node.classList.contains('chip')) {
    code(node.dataset.code === '' ? null : node.dataset.code);
  } else if (node.dataset.tool) {
    tool(node.dataset.tool);
  } else if (node.dataset.step) {
    const field = countField(node.dataset.count);
    valid(field, true);
    count(node.dataset.count, Math.max(0, (Number(field.value) || 0) + Number(node.dataset.step)));
  } else if (node.dataset.do && node.tagName !== 'FORM') {
    if (node.dataset.sure && node.dataset.asked === undefined) {
      node.dataset.asked = '';
      node.dataset.label = node.textContent;
      node.textContent = node.dataset.sure;
      return;
    }
    flush();
    send({ ...node.dataset });
  }
});

function tool(name) {
  if (cutting && !name.startsWith('cut-')) endCut(false);
  if (name === 'split') cut();
  else if (name === 'cut-here') endCut(true);
  else if (name === 'cut-not') endCut(false);
  else if (name === 'cut-left' || name === 'cut-right') step(name === 'cut-left' ? -1 : 1);
  else if (name === 'merge') change({ do: 'merge', ...target() });
  else if (name === 'undo') change({ do: 'undo' });
  else if (name === 'next') moveToOpen();
  else if (name === 'accept') accept();
}

function step(by) {
  cutting.at = Math.min([...cutting.text].length - 1, Math.max(1, cutting.at + by));
  paintCut();
}

element.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.target.dataset.goal !== undefined && key === 'Enter') { flush(); mark(true); return; }
  // The browser takes a space on the score that is shown already for nothing.
  if (key === ' ' && event.target.dataset.global && event.target.checked && event.target.closest('.unchosen')) { choose(event.target); event.preventDefault(); return; }
  // Codes work wherever nothing is written; arrows and the like only on an utterance.
  const writing = event.target.matches('input:not([type=radio]), textarea, select');
  if (!event.target.closest('.utterance') && (writing || !/^[a-z0/]$/.test(key) || !at(here))) return;
  if (cutting) {
    if (key === 'ArrowLeft') step(-1);
    else if (key === 'ArrowRight') step(1);
    else if (key === 'Enter' || key === ' ') endCut(true);
    else if (key === 'Escape' || key === '/') endCut(false);
    else return;
  } else if (key === 'ArrowDown' || key === 'ArrowRight') move(1);
  else if (key === 'ArrowUp' || key === 'ArrowLeft') move(-1);
  else if (key === 'Delete' || key === 'Backspace' || key === '0') code(null);
  else if (key === '/') cut();
  else if (key === 'm') tool('merge');
  else if (key === 'u') tool('undo');
  else if (key === 'n') moveToOpen();
  else if (key === 'y') accept();
  else if (CODE_KEYS.test(key)) {
    const chip = all('.chip').find((one) => one.dataset.letter === key);
    if (!chip) return;
    code(chip.dataset.code);
  } else return;
  event.preventDefault();
});

// A digit chooses within the group where the reader is, else within the first without a choice, and
// goes on to what is still to be filled.
element.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !/^[0-9]$/.test(event.key)) return;
  if (event.target.matches('input:not([type=radio]), textarea, select')) return;
  const groups = all('[data-digits]');
  const open = () => groups.find((group) => !group.querySelector(':checked'));
  const group = event.target.closest('[data-digits]') || open();
  const chosen = group && group.querySelector(`[data-digit="${event.key}"]`);
  if (!chosen) return;
  event.preventDefault();
  chosen.click();
  const next = open();
  const there = next ? next.querySelector('input') : chosen.dataset.then
    ? one(`[data-key="${chosen.dataset.then}"]`) : chosen.form.querySelector('[type=submit]');
  if (!there) return;
  there.focus({ preventScroll: true });
  (there.closest('[data-digits]') || there).scrollIntoView({ block: 'nearest' });
});

// A form that is kept while it is filled.
function keepForm(form) {
  const fields = Object.fromEntries(new FormData(form));
  send({ do: form.dataset.keep, fields });
}

element.addEventListener('input', (event) => {
  const field = event.target, form = field.closest('form[data-keep]');
  if (form) later('form', () => keepForm(form));
  if (field.dataset.goal !== undefined) later('goal', () => change({ do: 'goal', text: field.value }));
  if (field.dataset.count !== undefined && field.type === 'number') {
    later('count ' + field.dataset.count, () => {
      const value = field.value === '' && field.validity.valid ? null : Number(field.value);
      valid(field, value === null || (field.validity.valid && Number.isInteger(value)));
      if (field.ariaInvalid !== 'true') count(field.dataset.count, value);
    });
  }
});

// A press on the score that is shown already is a choice too, and no change to the browser.
element.addEventListener('click', (event) => {
  const field = event.target;
  if (field.dataset.global && field.defaultChecked && field.closest('.unchosen')) choose(field);
});

element.addEventListener('change', (event) => {
  const field = event.target;
  if (field.dataset.global) choose(field);
  if (field.dataset.form !== undefined) change({ do: 'form', form: field.value });
});

const choose = (field) => change({ do: 'global', key: field.dataset.global, value: Number(field.value) });

function later(name, act) {
  if (timers[name]) clearTimeout(timers[name].timer);
  timers[name] = { act, timer: setTimeout(() => { delete timers[name]; act(); }, 350) };
}

function flush() {
  for (const [name, { act, timer }] of Object.entries(timers)) { clearTimeout(timer); delete timers[name]; act(); }
}

element.addEventListener('focusout', flush);

element.addEventListener('submit', async (event) => {
  const form = event.target;
  event.preventDefault();
  if (form.dataset.sent) return;
  flush();
  const wrong = one('[aria-invalid=true]');
  if (wrong) { wrong.focus(); return; }
  const fields = {};
  for (const [name, value] of new FormData(form)) {
    if (value instanceof File) {
      if (value.name) fields[name] = { name: value.name, text: await value.text() };
    } else fields[name] = value;
  }
  const asked = { ...form.dataset, fields };
  form.dataset.sent = '1';
  send(asked).then(() => { delete form.dataset.sent; });
});

watch('value', start);
start();
